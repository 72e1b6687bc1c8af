"""Keys for the API: random, shown once, kept as a digest; each is its user's, and may do no more than that one may."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q

from smart_cron.core.people import Person, Role
from smart_cron.store.people.models import ApiKey, User

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smart_cron.core.ports.audit import AuditStore
    from smart_cron.store.session import Session

# `sc_`, a part that tells keys apart and may be shown, and the secret.
BEGINNING, PREFIX_CHARACTERS = "sc_", 8
_SHAPE = re.compile(r"sc_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
SEEN_EACH = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What may be shown of a key. Instants are aware and in UTC."""

    id: int
    user: str
    label: str
    prefix: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class KeyBook:
    """The keys, with an audit row for each change."""

    def __init__(self, session: Session, audit: AuditStore) -> None:
        self._session, self._audit = session, audit

    def make(self, user_id: int, *, label: str, role: Role, expires_at: datetime | None, actor: str) -> str:
        """Make a key and return it, this once."""
        prefix = secrets.token_hex(PREFIX_CHARACTERS // 2)
        key = f"{BEGINNING}{prefix}_{secrets.token_urlsafe(32)}"
        with self._session.transaction():
            made = ApiKey.objects.create(
                user_id=user_id,
                label=label,
                prefix=prefix,
                key_hash=_digest(key),
                role=str(role),
                expires_at=expires_at,
            )
            self._audit.note("create", actor=actor, entity=("api_key", made.pk, label), new={"role": str(role)})
        return key

    def keys(self, user_id: int | None = None) -> Sequence[KeyFacts]:
        """Return the keys that were not revoked, of one user or of all, the newest first."""
        found = ApiKey.objects.select_related("user").filter(revoked_at=None).order_by("-id")
        return [_facts(key) for key in (found if user_id is None else found.filter(user_id=user_id))[:1000]]

    def revoke(self, key_id: int, *, user_id: int | None, actor: str) -> bool:
        """Let a key (of this user, where one is named) be worth nothing; False where there is none."""
        found = ApiKey.objects.filter(pk=key_id, revoked_at=None)
        found = found if user_id is None else found.filter(user_id=user_id)
        with self._session.transaction():
            key = found.first()
            if key is None:
                return False
            key.revoked_at = self._session.now()
            key.save(update_fields=["revoked_at"])
            self._audit.note("revoke", actor=actor, entity=("api_key", key.pk, str(key.label)))
        return True

    def person_of(self, key: str) -> Person | None:
        """Return whose key this is, with the lesser of both roles; None where it is nobody's, or over."""
        if not _SHAPE.fullmatch(key):
            return None
        prefix = key.removeprefix(BEGINNING).partition("_")[0]
        now = self._session.now()
        found = (
            ApiKey.objects.select_related("user")
            .filter(Q(expires_at=None) | Q(expires_at__gt=now), prefix=prefix, revoked_at=None, user__is_active=True)
            .first()
        )
        # Digests are compared in any case: how long this takes tells nothing.
        known = "" if found is None else str(found.key_hash)
        if not hmac.compare_digest(_digest(key), known):
            return None
        assert found is not None
        if found.last_used_at is None or now - found.last_used_at > SEEN_EACH:
            ApiKey.objects.filter(pk=found.pk).update(last_used_at=now)
        return _person(found.user, Role(found.role))


def _person(user: User, role: Role) -> Person:
    own = user.person
    return Person(id=own.id, name=own.name, role=role if own.may(role) else own.role, groups=own.groups)


def _facts(key: ApiKey) -> KeyFacts:
    return KeyFacts(
        id=key.pk,
        user=str(key.user.username),
        label=str(key.label),
        prefix=f"{BEGINNING}{key.prefix}",
        role=Role(key.role),
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
