"""Who asks the API, and what they may."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer

from smart_cron.core.audit import Actor, Source
from smart_cron.core.people import Person, Role
from smart_cron.faces.api.quota import count
from smart_cron.faces.web.fresh import is_fresh
from smart_cron.faces.web.limits import neighbourhood, user_key
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.second_factors import lacks_second_factor
from smart_cron.store.people.keys import KeyBook
from smart_cron.store.people.models import User

_F = TypeVar("_F", bound=Callable[..., Any])
NEEDS = "smart_cron_needs"


class KeyAuth(HttpBearer):
    """`Authorization: Bearer sc_…`, an API key."""

    openapi_description = "An API key, as made in the settings."

    def authenticate(self, request: HttpRequest, token: str) -> Person | None:
        """Return whose key it is; whoever guesses keys is bounded by their address. Raise TooManyError."""
        premises = premises_of(request)
        count(request, "api by address", neighbourhood(request.META.get("REMOTE_ADDR", "")))
        store = premises.store
        return KeyBook(store.session, store.audit).person_of(token)


class SessionAuth(APIKeyCookie):
    """The session of somebody who is logged in; a change needs the header X-CSRFToken too."""

    openapi_description = "The session of the dashboard."

    def __init__(self) -> None:
        self.param_name = settings.SESSION_COOKIE_NAME
        super().__init__(csrf=True)

    def _get_key(self, request: HttpRequest) -> str | None:
        # Whoever has no session is nobody, and no forger.
        return super()._get_key(request) if self.param_name in request.COOKIES else None

    def authenticate(self, request: HttpRequest, key: str | None) -> Person | None:
        """Return who is logged in."""
        if key is None:
            return None
        request.is_by_session = True  # type: ignore[attr-defined]  # ours to know
        user = request.user
        if not isinstance(user, User) or lacks_second_factor(user, premises_of(request).config, request.session):
            return None
        return user.person


def needs(role: Role) -> Callable[[_F], _F]:
    """Let an operation be used by whoever may do what *role* may; `judged` sees to it.

    A mark only: ninja reads the annotations of an operation where it stands, and a wrapper stands here.
    """

    def marked(operation: _F) -> _F:
        setattr(operation, NEEDS, role)
        return operation

    return marked


def judged(operation: Callable[..., Any], *, asks: frozenset[str]) -> Callable[..., Any]:
    """Return the operation behind the judgement of who asks, and of what they ask: *asks* are the names it knows.

    Raise RuntimeError where it does not say who may use it.
    """
    role: Role | None = getattr(operation, NEEDS, None)
    if role is None:
        raise RuntimeError(f"{operation.__name__} does not say who may use it")

    @wraps(operation)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if unknown := sorted(set(request.GET) - asks):
            raise HttpError(400, f"There is no '{unknown[0][:100]}' to ask for here; there is {_listed(asks)}.")
        person = person_of(request)
        # By the user, whichever of their keys it is.
        count(request, "api", user_key(person.id))
        if not person.may(role):
            raise HttpError(403, f"This needs the role {role}; yours is {person.role}.")
        if role is Role.ADMIN and not person.administers:
            # As on the pages: what concerns everybody is not there for whoever is let near some groups alone.
            raise HttpError(404, "There is nothing here for whoever may see some groups alone.")
        return operation(request, *args, **kwargs)

    return answer


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def is_by_session(request: HttpRequest) -> bool:
    """Whether a browser's session stands for the caller, and no key."""
    return getattr(request, "is_by_session", False)


def require_fresh(request: HttpRequest) -> None:
    """Raise HttpError 403 for a browser that was logged in a while ago: it may have been left alone. Keys may."""
    if is_by_session(request) and not is_fresh(request):
        raise HttpError(403, "Log in anew for this change, or send an API key.")


def person_of(request: HttpRequest) -> Person:
    """Return who asks."""
    found: Person = request.auth  # type: ignore[attr-defined]  # set by ninja
    return found


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks, for the audit."""
    person = person_of(request)
    return Actor(person.name, source=Source.API, user_id=person.id, ip_address=request.META.get("REMOTE_ADDR"))
