"""Users as values, with what is known of their second factors and sessions; three statements for any number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session as BrowserSession
from django.db.models import QuerySet
from django.utils import timezone

from smart_cron.core.people import Account
from smart_cron.store.people.models import User

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def accounts_of(users: QuerySet[User]) -> Sequence[Account]:
    """Return these users."""
    found = list(users)
    numbers = [user.pk for user in found]
    with_factor = set(
        Authenticator.objects.filter(user_id__in=numbers, type__in=FACTORS).values_list("user_id", flat=True)
    )
    sessions = _sessions(numbers)
    return [
        Account(
            person=user.person,
            is_active=user.is_active,
            needs_second_factor=user.needs_second_factor,
            has_second_factor=user.pk in with_factor,
            made_at=user.date_joined,
            last_login_at=user.last_login,
            sessions=sessions[user.pk],
        )
        for user in found
    ]


def has_second_factor(user_id: int) -> bool:
    """Whether this user has one."""
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists())


def _sessions(numbers: Sequence[int]) -> Counter[int]:
    """How many of each have not run out."""
    keys = dict(UserSession.objects.filter(user_id__in=numbers).values_list("session_key", "user_id"))
    alive = BrowserSession.objects.filter(session_key__in=list(keys), expire_date__gt=timezone.now())
    return Counter(keys[key] for key in alive.values_list("session_key", flat=True))
