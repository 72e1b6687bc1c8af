"""Whose name and password these are: by our own table, or by a function that the settings name."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest

from smart_cron.core.errors import ConfigError
from smart_cron.faces.web.premises import premises_of
from smart_cron.store.people.models import User

_MARK = "smart_cron_was_tried"


class Check(Protocol):
    """What `web.login_check` names: `True` is yes; anything else, and any exception, is no."""

    def __call__(self, name: str, password: str, address: str, /) -> bool: ...


class Passwords(AuthenticationBackend):  # type: ignore[misc]
    """Users of ours. Whose password it is may be asked of a directory; role and groups are ours in any case."""

    def _authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        if request is not None:
            setattr(request, _MARK, True)
        check = premises_of(request).config.web.login_check if request is not None else ""
        if not check or request is None:
            found: User | None = super()._authenticate(request, **credentials)
            return found
        return _by_function(request, found_check(check), str(credentials.get("username")), credentials["password"])

    def _authenticate_by_username(self, username: str, password: str) -> User | None:
        """Names are compared byte by byte, as the counters of failures do: another spelling is no second door."""
        found: User | None = self._check_password(User.objects.filter(username=username).first(), password)
        return found


def was_tried(request: HttpRequest) -> bool:
    """Whether name and password were looked at: while a name is locked for an address, nobody does."""
    return getattr(request, _MARK, False)


def _by_function(request: HttpRequest, check: Check, name: str, password: str) -> User | None:
    """The function is asked for names that nobody has, too: how long an answer takes must not tell them apart.

    Raise TooManyError while it does not answer others: that is no wrong password, and counts for nobody.
    """
    with premises_of(request).directory.asked():
        is_right = _says_yes(request, check, name, password)
    user = User.objects.filter(username=name, is_active=True).first()
    return user if is_right else None


def _says_yes(request: HttpRequest, check: Check, name: str, password: str) -> bool:
    try:
        return check(name, password, request.META.get("REMOTE_ADDR", "")) is True
    except Exception as error:  # noqa: BLE001  a foreign function: whatever it raises is a no
        premises_of(request).log.error("Login check failed", user=name[:100], reason=type(error).__name__)
        return False


@lru_cache
def found_check(name: str) -> Check:
    """Return the function. Raise ConfigError."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"web.login_check names '{name}', which cannot be had: {error}"]) from None
    if not callable(found):
        raise ConfigError([f"web.login_check names '{name}', which is no function"])
    check: Check = found
    return check
