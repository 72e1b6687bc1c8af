"""What views work with: settings, store, log, desks and limits, made once and carried along with each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smart_cron.config import Config
from smart_cron.core.ports import Clock, Log
from smart_cron.faces.web.chores import Chores
from smart_cron.faces.web.desk import Desk
from smart_cron.faces.web.elsewhere import Elsewhere
from smart_cron.faces.web.limits import Limits
from smart_cron.faces.web.memo import Memo
from smart_cron.store.gateway import Store

if TYPE_CHECKING:
    from django.http import HttpRequest

    from smart_cron.faces.web.oidc.provider import Provider
    from smart_cron.faces.web.pulse import Pulse
    from smart_cron.store.people.book import PeopleBook

# Under this key of the ASGI scope.
SCOPE_KEY = "smart_cron.premises"


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """One served application.

    `pulse` has a desk of its own, so that it answers while all others wait; `pages` is where people's pages are made.
    """

    config: Config
    store: Store
    log: Log
    clock: Clock
    desk: Desk
    pages: Desk
    pulse: Pulse
    limits: Limits
    chores: Chores
    # Whom people log in with besides us, where the settings name one.
    provider: Provider | None = None
    # Mail servers and the like while they are tried, and what `web.login_check` asks.
    channels: Elsewhere = field(default_factory=lambda: Elsewhere(at_once=2))
    directory: Elsewhere = field(default_factory=lambda: Elsewhere(at_once=3))
    memo: Memo = field(default_factory=Memo)


def people_of(premises: Premises) -> PeopleBook:
    """Return the book of who may log in."""
    # Late: models are there once Django is set up.
    from smart_cron.store.people.book import PeopleBook

    return PeopleBook(premises.store.session, premises.store.audit)


def premises_of(request: HttpRequest) -> Premises:
    """Return what the gate sent along with the request."""
    found = request.scope[SCOPE_KEY]  # type: ignore[attr-defined]  # there under ASGI
    assert isinstance(found, Premises)
    return found
