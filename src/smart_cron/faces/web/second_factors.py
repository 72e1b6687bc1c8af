"""Second factors: who must have one, and how often one may be tried."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm as _AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as _ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm as _ActivateForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase

from smart_cron.config import Config
from smart_cron.faces.web.premises import premises_of
from smart_cron.store.people.accounts import has_second_factor
from smart_cron.store.people.models import User

# What somebody may use who still has to set one up: these pages, what they ask for, and the way out.
OPEN_WITHOUT = frozenset(
    {
        "oidc_confirm",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_list_webauthn",
        "mfa_add_webauthn",
        "account_reauthenticate",
        "account_change_password",
        "account_logout",
    }
)


# In the session of whoever showed one to a provider that is trusted with it (`web.oidc.second_factor_amr`).
SHOWN_ELSEWHERE = "smart_cron_second_factor"


def lacks_second_factor(user: AbstractBaseUser, config: Config, session: SessionBase) -> bool:
    """Whether this user must have a second factor and has none, and showed none elsewhere in this session."""
    assert isinstance(user, User)
    if session.get(SHOWN_ELSEWHERE) and config.web.oidc.second_factor_amr:
        return False
    return (config.web.require_second_factor or user.needs_second_factor) and not has_second_factor(user.pk)


def _count(user: Any) -> None:
    """A code has six digits: whoever has the password could else try them all. Raise TooManyError."""
    premises_of(context.request).limits.require("second factors", str(user.pk))


def _use(user: Any, code: str) -> str:
    """Return the code, the first time. Raise ValidationError for one that was used.

    allauth remembers that itself, but in the memory of one process: after a restart, or before another server of the
    same database, a code would be good again (SECURITY 9).
    """
    if premises_of(context.request).limits.wait_seconds("codes used", f"{user.pk} {normalize_user_code(code)}"):
        raise get_adapter().validation_error("incorrect_code")
    return code


class AuthenticateForm(_AuthenticateForm):  # type: ignore[misc]
    """Tries are counted over restarts, and each code is good once."""

    def clean_code(self) -> str:
        """Count the try first."""
        _count(self.user)
        return _use(self.user, str(super().clean_code()))


class ReauthenticateForm(_ReauthenticateForm):  # type: ignore[misc]
    """Tries are counted over restarts, and each code is good once."""

    def clean_code(self) -> str:
        """Count the try first."""
        _count(self.user)
        return _use(self.user, str(super().clean_code()))


class ActivateForm(_ActivateForm):  # type: ignore[misc]
    """Tries are counted over restarts, and each code is good once."""

    def clean_code(self) -> str:
        """Count the try first."""
        _count(self.user)
        return _use(self.user, str(super().clean_code()))
