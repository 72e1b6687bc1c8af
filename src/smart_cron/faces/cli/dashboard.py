"""`smart-cron dashboard`: what listens."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.config import Config

OPEN = (
    "it is reached from other machines, and what is sent there can be read on the way: put a web server with TLS "
    "before it, and call it with --behind-proxy."
)


@click.command()
@click.option("--host", help="Address to listen on [default: 127.0.0.1, this machine alone].")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port, 0 for any that is free [default: 8765].")
@click.option("--behind-proxy", is_flag=True, help="Believe the proxies of web.trusted_proxies who the client is.")
@pass_session
def dashboard(session: Session, /, *, host: str | None, port: int | None, behind_proxy: bool) -> None:
    """Serve the dashboard, /healthz, /readyz, /metrics and /ping/KEY, until SIGTERM or Ctrl-C.

    'smart-cron user add' says who may log in.

    It listens on this machine alone unless --host says otherwise. /metrics asks for the key in metrics.key of the
    state directory.
    """
    config = session.config()
    address = host or _host_of_settings(config)
    trusted = config.web.trusted_proxies if behind_proxy else ()
    _serve(config, address, config.web.port if port is None else port, trusted)


def _host_of_settings(config: Config) -> str:
    host = config.web.host
    if not is_loopback(host):
        raise SmartCronError(
            f"web.host is {host}: {OPEN}", remedy=f"If that is meant, say it on the command line: --host {host}."
        )
    return host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _serve(config: Config, host: str, port: int, trusted: tuple[str, ...]) -> None:
    # Late: Django and uvicorn take half a second that no other command should.
    from smart_cron.faces.web.application import application, open_premises
    from smart_cron.faces.web.metrics import key_path
    from smart_cron.faces.web.server import listening, open_socket, serve
    from smart_cron.faces.web.settings import EVERYWHERE, open_web_store
    from smart_cron.faces.web.tables import bring_tables_once_it_serves
    from smart_cron.home import make_database_file, require_closed_to_others, require_home, require_owner
    from smart_cron.logs.events import open_event_log

    require_home(config)
    require_owner(config)
    require_closed_to_others(config)
    make_database_file(config)
    log = open_event_log(config.log_dir, level=config.log_level)
    store = open_web_store(config, host=host, is_secure=bool(trusted))
    bring_tables_once_it_serves(config, store, log)
    premises = open_premises(config, store, log)
    opened = open_socket(host, port)
    if not is_loopback(host):
        note(f"Listening on {host}: {OPEN}")
    if host in EVERYWHERE and not config.web.allowed_hosts:
        note("It answers to the names localhost, 127.0.0.1 and [::1] alone: name others in web.allowed_hosts.")

    def say_so() -> None:
        click.echo(f"Serving on {_url(opened)}; the key of /metrics is in {key_path(config)}. Ctrl-C ends it.")
        sys.stdout.flush()
        log.info("Dashboard started", address=_url(opened))
        log.flush()

    with listening(store.pings, log, close=store.database.close):
        serve(application(premises), opened, trusted_proxies=trusted, on_ready=say_so)
    log.info("Dashboard ended")
    log.flush()
    store.database.close()
    # A thread that waits for a database which hangs must not keep the process.
    sys.stdout.flush()
    os._exit(0)


def _url(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
