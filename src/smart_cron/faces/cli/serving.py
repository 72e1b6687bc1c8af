"""Serving pages until a signal, as `dashboard` and `up` do."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.errors import note
from smart_cron.faces.web.loopback import is_loopback

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.store.gateway import Store

OPEN = (
    "it is reached from other machines, and what is sent there can be read on the way: put a web server with TLS "
    "before it, and call it with --behind-proxy."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to listen, and which proxies are believed."""

    host: str
    port: int
    trusted: tuple[str, ...]


def place_of(config: Config, *, host: str | None, port: int | None, behind_proxy: bool) -> Place:
    """Return where to listen. Raise SmartCronError where the settings alone would open it to other machines."""
    return Place(
        host=host or _host_of_settings(config),
        port=config.web.port if port is None else port,
        trusted=config.web.trusted_proxies if behind_proxy else (),
    )


def _host_of_settings(config: Config) -> str:
    host = config.web.host
    if not is_loopback(host):
        raise SmartCronError(
            f"web.host is {host}: {OPEN}", remedy=f"If that is meant, say it on the command line: --host {host}."
        )
    return host


def open_place(place: Place) -> socket.socket:
    """Return a socket that listens there. Raise SmartCronError, saying what stands in the way."""
    from smart_cron.faces.web.server import open_socket

    return open_socket(place.host, place.port)


def serve_until_signal(
    config: Config,
    place: Place,
    opened: socket.socket,
    *,
    on_ready: Callable[[], object] = lambda: None,
    on_signal: Callable[[], object] = lambda: None,
    finish: Callable[[], int] = lambda: 0,
) -> NoReturn:
    """Serve; *on_signal* is called by the handler of the signal, and *finish* returns the exit code in the end."""
    # Late: Django and uvicorn take half a second that no other command should.
    from smart_cron.faces.web.application import application, open_premises
    from smart_cron.faces.web.metrics import key_path
    from smart_cron.faces.web.server import listening, serve
    from smart_cron.faces.web.settings import EVERYWHERE, open_web_store
    from smart_cron.faces.web.tables import bring_tables_once_it_serves
    from smart_cron.logs.events import open_event_log

    log = open_event_log(config.log_dir, level=config.log_level)
    store = open_web_store(config, host=place.host, is_secure=bool(place.trusted))
    bring_tables_once_it_serves(config, store, log)
    premises = open_premises(config, store, log)
    if not is_loopback(place.host):
        note(f"Listening on {place.host}: {OPEN}")
    if place.host in EVERYWHERE and not config.web.allowed_hosts:
        note("It answers to the names localhost, 127.0.0.1 and [::1] alone: name others in web.allowed_hosts.")

    # Before the loop runs: Django refuses to ask a database there.
    way_in, url = _way_in(config, store), url_of(opened)

    def say_so() -> None:
        click.echo(f"Serving on {url}; the key of /metrics is in {key_path(config)}. Ctrl-C ends it.")
        for line in way_in:
            click.echo(line.format(url=url))
        sys.stdout.flush()
        log.info("Dashboard started", address=url)
        log.flush()
        on_ready()

    with listening(store.pings, log, close=store.database.close):
        serve(application(premises), opened, trusted_proxies=place.trusted, on_ready=say_so, on_signal=on_signal)
    log.info("Dashboard ended")
    log.flush()
    code = finish()
    store.database.close()
    # A thread that waits for a database which hangs must not keep the process.
    sys.stdout.flush()
    os._exit(code)


def _way_in(config: Config, store: Store) -> list[str]:
    """Return what to say where nobody may log in yet: a link that makes the first admin."""
    from smart_cron.faces.web import setup_link
    from smart_cron.store.people.book import PeopleBook

    try:
        if not PeopleBook(store.session, store.audit).is_empty():
            setup_link.withdraw(config)
            return []
        token = setup_link.offer(config, now=time.time())
    except (SmartCronError, OSError):
        return ["Whether anybody may log in cannot be told now; 'smart-cron user add NAME --role admin' lets them."]
    minutes = int(setup_link.VALID_FOR.total_seconds() // 60)
    return [
        f"Nobody has an account yet. This link makes the first admin, once, within {minutes} minutes:",
        f"  {{url}}{config.web.path_prefix}/setup/{token}",
    ]


def url_of(opened: socket.socket) -> str:
    """Return where a socket is reached from this machine."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
