"""The ASGI application: Django's handler behind the gate."""

from __future__ import annotations

from smart_cron.config import Config
from smart_cron.core.ports import Log
from smart_cron.engine.clock import SystemClock
from smart_cron.faces.web.chores import Chores
from smart_cron.faces.web.desk import Desk
from smart_cron.faces.web.gate import Gate
from smart_cron.faces.web.keys import own_key
from smart_cron.faces.web.limits import Limits, rules_of
from smart_cron.faces.web.metrics import key_path
from smart_cron.faces.web.oidc.provider import Provider
from smart_cron.faces.web.premises import Premises
from smart_cron.faces.web.pulse import Pulse
from smart_cron.store.gateway import Store
from smart_cron.store.rate_limits import RateLimitRows

CLERKS = 4
# Django's own code holds Python's lock most of the time: more would only be more connections.
PAGE_CLERKS = 6
MOST_WAITING = 200


def open_premises(config: Config, store: Store, log: Log) -> Premises:
    """Return what views work with. Raise ConfigError where the metrics key cannot be made or used."""
    own_key(key_path(config))
    clock = SystemClock()
    return Premises(
        config=config,
        store=store,
        log=log,
        clock=clock,
        chores=Chores(clock=clock, log=log, hang_up=store.database.close),
        desk=Desk("desk", clerks=CLERKS, most_waiting=MOST_WAITING),
        pages=Desk("pages", clerks=PAGE_CLERKS, most_waiting=MOST_WAITING),
        pulse=Pulse(store, Desk("pulse", clerks=2, most_waiting=4)),
        limits=Limits(RateLimitRows(store.session), rules_of(config.web)),
        provider=Provider(config.web.oidc) if config.web.oidc.is_on else None,
    )


def application(premises: Premises) -> Gate:
    """Return the application; Django must be set up."""
    from smart_cron.faces.web.backends import found_check
    from smart_cron.faces.web.routing import Routing
    from smart_cron.faces.web.watching import watch

    watch()
    if premises.config.web.login_check:
        # A name that names nothing is told at the start, and not at the first login.
        found_check(premises.config.web.login_check)
    return Gate(Routing(premises), premises)
