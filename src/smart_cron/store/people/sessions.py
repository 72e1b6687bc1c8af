"""Browsers in which somebody is logged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session as BrowserSession
from django.utils import timezone

from smart_cron.store.people.models import User

if TYPE_CHECKING:
    from smart_cron.core.ports.audit import AuditStore
    from smart_cron.store.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A login that lasts: in which browser, from where, since when."""

    id: int
    browser: str
    address: str
    begun_at: datetime
    is_current: bool


class SessionBook:
    """The sessions of one user at a time."""

    def __init__(self, session: Session, audit: AuditStore) -> None:
        self._session, self._audit = session, audit

    def sessions(self, user_id: int, *, current: str) -> Sequence[LoggedIn]:
        """Return those that have not run out, the newest first; *current* is the key of the one that asks."""
        rows = list(UserSession.objects.filter(user_id=user_id).order_by("-created_at", "-id")[:200])
        keys = [row.session_key for row in rows]
        alive = set(
            BrowserSession.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list(
                "session_key", flat=True
            )
        )
        return [
            LoggedIn(
                id=row.pk,
                browser=row.user_agent,
                address=row.ip,
                begun_at=row.created_at,
                is_current=row.session_key == current,
            )
            for row in rows
            if row.session_key in alive
        ]

    def end_one(self, user_id: int, number: int, *, actor: str) -> bool:
        """End a session of this user; False where there is none of this number."""
        return bool(self._end(user_id, UserSession.objects.filter(user_id=user_id, pk=number), actor))

    def end_others(self, user_id: int, *, current: str, actor: str) -> int:
        """End all but the one that asks; return how many."""
        return self._end(user_id, UserSession.objects.filter(user_id=user_id).exclude(session_key=current), actor)

    def _end(self, user_id: int, found: object, actor: str) -> int:
        with self._session.transaction():
            rows = list(found)  # type: ignore[call-overload]
            if not rows:
                return 0
            name = str(User.objects.values_list("username", flat=True).get(pk=user_id))
            BrowserSession.objects.filter(session_key__in=[row.session_key for row in rows]).delete()
            UserSession.objects.filter(pk__in=[row.pk for row in rows]).delete()
            self._audit.note("end sessions", actor=actor, entity=("user", user_id, name), new={"sessions": len(rows)})
            return len(rows)
