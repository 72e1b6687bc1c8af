"""Logins, failures, lockouts and logouts, told to the audit log (SECURITY 31)."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.signals import password_changed
from allauth.core import context
from allauth.mfa import signals as factors
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from smart_cron.core.audit import Actor, Source
from smart_cron.faces.web.backends import was_tried
from smart_cron.faces.web.known_browsers import remember
from smart_cron.faces.web.premises import premises_of
from smart_cron.store.people.models import User

_UID = "smart_cron.watching.{}"
NOBODY = 0


def watch() -> None:
    """Hear of them from now on; a second call changes nothing."""
    for signal, hear in (
        (user_logged_in, _logged_in),
        (user_logged_out, _logged_out),
        (user_login_failed, _failed),
        (user_locked_out, _locked_out),
        (password_changed, _password_changed),
        (factors.authenticator_added, _factor_added),
        (factors.authenticator_removed, _factor_removed),
        (factors.authenticator_reset, _factor_reset),
        (factors.authentication_failed, _factor_failed),
    ):
        signal.connect(hear, weak=False, dispatch_uid=_UID.format(hear.__name__))


def note(
    request: HttpRequest, action: str, user: User | None, *, name: str = "", new: dict[str, object] | None = None
) -> None:
    """Write an audit row on a user, or on a name that nobody has."""
    who = str(user.username) if user is not None else name[:100]
    number = user.pk if user is not None else NOBODY
    actor = Actor(
        who or "nobody",
        source=Source.PAGE,
        user_id=user.pk if user is not None else None,
        ip_address=request.META.get("REMOTE_ADDR"),
    )
    premises_of(request).store.audit.note(action, actor=actor, entity=("user", number, who), new=new)


def _logged_in(sender: object, request: HttpRequest, user: User, **_: Any) -> None:
    del sender
    remember(request, str(user.username))
    records = get_authentication_records(request, user)
    by = "OpenID Connect" if any(record["method"] == "oidc" for record in records) else ""
    note(request, "log in", user, new={"by": by} if by else None)


def _logged_out(sender: object, request: HttpRequest, user: User | None, **_: Any) -> None:
    del sender
    if user is not None:
        note(request, "log out", user)


def _failed(sender: object, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    del sender
    # While a name is locked for an address nothing is tried: that is told already, and were it counted, one address
    # alone could close the name to all others.
    if request is None or not was_tried(request):
        return
    name = str(credentials.get("username") or "")
    premises_of(request).limits.wait_seconds("login failures", name)
    note(request, "log in failed", User.objects.filter(username=name).first(), name=name)


def _locked_out(sender: object, request: HttpRequest, username: str | None, **_: Any) -> None:
    del sender
    # Once a window: whoever goes on trying must not fill the log.
    limits, place = premises_of(request).limits, f"{username} {request.META.get('REMOTE_ADDR')}"
    if not limits.wait_seconds("lockouts told", place):
        note(request, "lock out", User.objects.filter(username=username or "").first(), name=username or "")


def _password_changed(sender: object, request: HttpRequest, user: User, **_: Any) -> None:
    del sender
    note(request, "set password", user)


def _factor_added(sender: object, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    del sender
    note(request, "add second factor", user, new={"kind": str(authenticator.type)})


def _factor_removed(sender: object, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    del sender
    note(request, "remove second factor", user, new={"kind": str(authenticator.type)})


def _factor_reset(sender: object, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    del sender
    note(request, "renew second factor", user, new={"kind": str(authenticator.type)})


def _factor_failed(sender: object, user: User, authenticator: Any, **_: Any) -> None:
    del sender
    note(context.request, "second factor failed", user, new={"kind": str(authenticator.type)})
