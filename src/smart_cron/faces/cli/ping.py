"""`smart-cron ping`: jobs that run elsewhere and report by ping."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

import click

from smart_cron.core.ping import PingCheck, PingState, PingTerms, next_due_at, require_sound
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import NOTHING, OptionalText, Span, dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_facts, show_table
from smart_cron.faces.cli.text import instant_in_full, moment, span

COMMANDS = {
    "add": ("ping:add", "Add a check and print its address, which is shown this once."),
    "list": ("ping:list_checks", "List the checks and what is thought of them."),
    "show": ("ping:show", "Show everything about a check."),
    "edit": ("ping:edit", "Change a check."),
    "rotate": ("ping:rotate", "Give a check another address and print it, once."),
    "remove": ("ping:remove", "Forget a check."),
}
COLUMNS = (
    Column(title="Check", gives_way=True),
    Column(title="State"),
    Column(title="Last ping"),
    Column(title="Every"),
    Column(title="Grace"),
    Column(title="Key"),
)
STYLES = {
    PingState.UP: "green",
    PingState.STARTED: "cyan",
    PingState.LATE: "bold red",
    PingState.FAILED: "bold red",
    PingState.NEVER_ENDED: "bold red",
    PingState.PAUSED: "dim",
}
TEXT = OptionalText()
# How long somebody who listens on this machine may take to take a connection.
LISTENS_SECONDS = 1.0


@click.group(cls=LazyGroup, lazy=COMMANDS)
def ping() -> None:
    """Watch jobs that run elsewhere: each reports by HTTP, and silence raises an alert."""


grace_option = click.option("--grace", type=Span(), help="How late a report may be [default: 1h].")
every_help = "A report is due each time so long after the last, like 5m, 1h, 1d."
longest_help = "How long after its start it may go on, or none [default: every + grace]."
longest_option = click.option("--longest", type=Span(optional=True), help=longest_help)
email_option = click.option("--alert-email", type=TEXT, help="Address for its alerts, kept with them.")
description_option = click.option("--description", type=TEXT, help="What the job does.")


@click.command()
@click.argument("name")
@click.option("--every", "period", type=Span(), required=True, help=every_help)
@grace_option
@longest_option
@email_option
@description_option
@dry_run_option
@pass_session
def add(session: Session, /, *, name: str, dry_run: bool, **given: Any) -> None:
    """Add a check and print its address, which is shown this once."""
    terms = _changed(PingTerms(name=name, period=given["period"], grace=timedelta(hours=1)), given)
    require_sound(terms)
    if dry_run:
        late = f"{span(terms.grace)} late at most" if terms.grace else "never late"
        click.echo(f"Would add the check '{name}': a report each {span(terms.period)}, {late}.")
        return
    with session.house() as house:
        key = _new_key()
        house.store.pings.add(terms, key=key, actor=session.actor)
    click.echo(f"Check '{name}' was added. Its address, which is a secret and shown this once:")
    _print_address(key, session)
    if not terms.alert_email:
        click.echo(
            "Without --alert-email its alerts go to the settings' alert_email, and to channels that take errors."
        )


@click.command("list")
@json_option
@pass_session
def list_checks(session: Session, /, *, as_json: bool) -> None:
    """List the checks and what is thought of them."""
    from smart_cron.core.zones import zone

    with session.house() as house:
        checks, now = house.store.pings.checks(), house.store.database.now()
        place = zone(house.config.time_zone)
    if as_json:
        print_json([_document(check) for check in checks])
        return
    rows = [_row(check, now, place) for check in checks]
    show_table(COLUMNS, rows, empty="There is no check; 'smart-cron ping add --help' says how to add one.")


def _row(check: PingCheck, now: datetime, place: tzinfo) -> Sequence[Cell | str]:
    terms = check.terms
    return [
        terms.name,
        Cell(check.state.replace("_", " "), STYLES.get(check.state, "")),
        moment(_last_sign(check), now=now, zone=place),
        span(terms.period),
        _grace(terms),
        f"{check.key_hint}…",
    ]


def _grace(terms: PingTerms) -> str:
    return span(terms.grace) if terms.grace else "none"


def _last_sign(check: PingCheck) -> datetime | None:
    return max(filter(None, (check.last_start_at, check.last_ping_at)), default=None)


@click.command()
@click.argument("name")
@json_option
@pass_session
def show(session: Session, /, *, name: str, as_json: bool) -> None:
    """Show everything about a check. Its key is known to nobody any more; `rotate` makes another."""
    from smart_cron.core.zones import zone

    with session.house() as house:
        check, place = house.store.pings.get(name), zone(house.config.time_zone)
    if as_json:
        print_json(_document(check))
    else:
        show_facts(list(_facts(check, place)))


def _facts(check: PingCheck, place: tzinfo) -> Iterator[tuple[str, str]]:
    terms = check.terms
    yield "Check", terms.name
    yield "State", check.state.replace("_", " ")
    if terms.description:
        yield "Description", terms.description
    yield "Every", span(terms.period)
    yield "Grace", _grace(terms)
    yield "Longest run", span(terms.longest)
    yield "Key", f"{check.key_hint}…"
    yield "Last start", instant_in_full(check.last_start_at, zone=place)
    yield "Last end", instant_in_full(check.last_ping_at, zone=place)
    due = "none: it is paused" if not terms.enabled else instant_in_full(next_due_at(check), zone=place)
    yield "Next due", f"{due}, its end" if terms.enabled and check.is_running else due
    if check.last_exit_code is not None:
        yield "Exit code", str(check.last_exit_code)
    if check.last_duration is not None:
        yield "Duration", span(check.last_duration)
    yield "Pings", str(check.pings)
    yield "Taken since", instant_in_full(check.back_at, zone=place)
    if terms.alert_email:
        yield "Alerts to", terms.alert_email
    if check.last_words:
        yield "Last words", check.last_words


@click.command()
@click.argument("name")
@click.option("--every", "period", type=Span(), help=every_help)
@grace_option
@longest_option
@email_option
@description_option
@click.option("--enabled/--paused", "enabled", default=None, help="Whether silence is told.")
@dry_run_option
@pass_session
def edit(session: Session, /, *, name: str, dry_run: bool, **given: Any) -> None:
    """Change a check. A paused one takes pings and tells of nothing; its open alert is resolved."""
    with session.house() as house:
        before = house.store.pings.get(name).terms
        after = _changed(before, given)
        require_sound(after)
        if after == before:
            click.echo(f"Nothing to change: '{name}' is as you say.")
            return
        if dry_run:
            click.echo(f"Would change the check '{name}'.")
            return
        house.store.pings.change(after, actor=session.actor)
    click.echo(f"Check '{name}' was changed.")


def _changed(terms: PingTerms, given: Mapping[str, Any]) -> PingTerms:
    names = {"longest": "longest_run"}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is not None:
            values[names.get(name, name)] = None if value is NOTHING else value
    return replace(terms, **values)


@click.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@pass_session
def rotate(session: Session, /, *, name: str, yes: bool, dry_run: bool) -> None:
    """Give a check another address and print it, once. The one before is worth nothing from now on."""
    with session.house() as house:
        house.store.pings.get(name)
        if dry_run:
            click.echo(f"Would give the check '{name}' another address.")
            return
        _ask(f"Give '{name}' another address? The job has to be told.", yes)
        key = _new_key()
        house.store.pings.rotate(name, key=key, actor=session.actor)
    click.echo(f"Check '{name}' has another address, which is a secret and shown this once:")
    _print_address(key, session)


@click.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@pass_session
def remove(session: Session, /, *, name: str, yes: bool, dry_run: bool) -> None:
    """Forget a check; its open alert is resolved."""
    with session.house() as house:
        house.store.pings.get(name)
        if dry_run:
            click.echo(f"Would remove the check '{name}'.")
            return
        _ask(f"Remove the check '{name}'?", yes)
        house.store.pings.remove(name, actor=session.actor)
    click.echo(f"Check '{name}' was removed.")


def _ask(question: str, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True)


def _new_key() -> str:
    """160 random bits: nobody guesses them, and nobody who reads the database can make them from their digest."""
    import secrets

    return secrets.token_urlsafe(20)


def _print_address(key: str, session: Session) -> None:
    config = session.config()
    base = config.alerts.dashboard_url.rstrip("/") or f"http://{config.web.host}:{config.web.port}"
    address = f"{base}/ping/{key}"
    call = "curl -fsS -m 10 --retry 5 -o /dev/null"
    # From the first column on and each on one line: it is copied into crontabs and scripts.
    click.echo(f"\n{address}\n\nA crontab line that reports start and end, with your job in its middle:\n")
    click.echo(f"0 2 * * *  {call} {address}/start; /path/to/job; {call} {address}/$?\n")
    if not config.alerts.dashboard_url:
        click.echo("Other machines reach it by the name of your web server; alerts.dashboard_url says which.")
        if not _listens(config.web.host, config.web.port):
            click.echo("Nothing listens there now: smart-cron dashboard")


def _listens(host: str, port: int) -> bool:
    """Whether anything takes connections there."""
    import socket

    try:
        with socket.create_connection((host, port), timeout=LISTENS_SECONDS):
            return True
    except OSError:
        return False


def _document(check: PingCheck) -> dict[str, Any]:
    terms = check.terms
    return {
        "check_name": terms.name,
        "state": check.state,
        "description": terms.description,
        "period_seconds": terms.period,
        "grace_seconds": terms.grace,
        "longest_run_seconds": terms.longest_run,
        "enabled": terms.enabled,
        "alert_email": terms.alert_email,
        "key_hint": check.key_hint,
        "created_at": check.created_at,
        "listened_at": check.listened_at,
        "back_at": check.back_at,
        "last_start_at": check.last_start_at,
        "last_ping_at": check.last_ping_at,
        "last_exit_code": check.last_exit_code,
        "last_duration": check.last_duration,
        "last_words": check.last_words,
        "pings": check.pings,
    }
