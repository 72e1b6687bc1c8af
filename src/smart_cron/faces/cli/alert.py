"""`smart-cron alert`, its list and one alert in full."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import click

from smart_cron.core.alert import Alert, Severity
from smart_cron.core.alert_columns import alert_columns
from smart_cron.core.alert_words import told as harmless
from smart_cron.core.delivery import Delivered, DeliveryStatus
from smart_cron.core.masking import masked_webhook
from smart_cron.core.message import MessageKind
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, plain_lines, show_facts, show_table
from smart_cron.faces.cli.text import instant_in_full, moment, printable

COMMANDS = {
    "list": ("alert:list_alerts", "List what is wrong now, the gravest first."),
    "show": ("alert:show", "Show all that is known of one alert."),
    "ack": ("alert_change:ack", "Note that somebody has seen it: no more reminders come."),
    "resolve": ("alert_change:resolve", "Note that it is mended."),
    "snooze": ("alert_change:snooze", "Say nothing of it until a time."),
    "test": ("alert_test:alert_test", "Send a test message over a channel and print the server's answer."),
}
# So much of what a mail server said.
WORDS = 300
COLUMNS = (
    Column(title="Alert", right=True),
    Column(title="Severity"),
    Column(title="State"),
    Column(title="Type"),
    Column(title="Task", gives_way=True),
    Column(title="Times", right=True),
    Column(title="Last"),
    Column(title="Message", gives_way=True),
)
STYLES = {Severity.CRITICAL: "bold red", Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "dim"}
COLOURS = {Severity.CRITICAL: "red", Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: None}
# Below so many columns a message beside its alert would be a few letters.
NARROW = 110
MOST_OPEN = 10_000


@click.group(cls=LazyGroup, lazy=COMMANDS)
def alert() -> None:
    """See what is wrong, and say that you have seen or mended it."""


@click.command("list")
@click.option("--all", "every", is_flag=True, help="Resolved ones, too.")
@click.option("--resolved", is_flag=True, help="Resolved ones only.")
@click.option("--severity", type=click.Choice([str(severity) for severity in Severity]), help="Of this severity.")
@click.option("--task", "name", metavar="NAME", help="Of this task.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--before", "before_id", type=click.IntRange(1), metavar="ALERT", help="Older than this one.")
@json_option
@pass_session
def list_alerts(
    session: Session,
    /,
    *,
    every: bool,
    resolved: bool,
    severity: str | None,
    name: str | None,
    limit: int,
    before_id: int | None,
    as_json: bool,
) -> None:
    """List what is wrong now, the gravest first and then the newest; with --all or --resolved the newest first.

    One line is one cause; how often it happened is counted. An alert is open, seen (acknowledged), snoozed or resolved.
    """
    from smart_cron.core.zones import zone

    if every and resolved:
        raise click.UsageError("--all and --resolved exclude each other.")
    is_history = every or resolved
    with session.house() as house:
        known = house.store.alerts.alerts(
            resolved=None if every else resolved,
            severity=Severity(severity) if severity else None,
            task_id=house.store.tasks.get(name).id if name else None,
            before_id=before_id,
            # What is open is one row a cause: all of it is looked at, so that the gravest come first.
            limit=limit + 1 if is_history else MOST_OPEN,
        )
        now, place = house.clock.now(), zone(house.config.time_zone)
    found = (known if is_history else sorted(known, key=lambda each: each.severity.rank))[:limit]
    if as_json:
        print_json([document(each, now) for each in found])
        return
    _show(found, now, place, empty=_none(every=every, resolved=resolved))
    if len(known) > limit:
        older = f"The newest {limit} are shown; older ones: --before {found[-1].id}"
        click.echo(older if is_history else f"{len(known)} open alerts, {limit} shown: --limit 1000")


def _show(found: Sequence[Alert], now: datetime, place: tzinfo, *, empty: str) -> None:
    width = shutil.get_terminal_size().columns
    if found and sys.stdout.isatty() and width < NARROW:
        for line in narrow_lines(found, now, place, width=width):
            click.echo(line)
        return
    show_table(COLUMNS, [_row(each, now, place) for each in found], empty=empty)


def narrow_lines(found: Sequence[Alert], now: datetime, place: tzinfo, *, width: int) -> Iterator[str]:
    """Yield the list for a narrow terminal: no type, and each message on a line of its own below its alert."""
    places = [number for number, column in enumerate(COLUMNS) if column.title not in ("Type", "Message")]
    rows = [_row(each, now, place) for each in found]
    cells = [[Cell(printable(row[number], limit=30)) for number in places] for row in _texts(rows)]
    head, *lines = plain_lines([COLUMNS[number] for number in places], cells)
    yield click.style(head[:width], bold=True)
    for alert, line in zip(found, lines, strict=True):
        yield click.style(line[:width], fg=COLOURS[alert.severity])
        yield f"    {printable(alert.message, limit=width - 4)}"


def _texts(rows: Sequence[Sequence[Cell | str]]) -> Iterator[list[str]]:
    for row in rows:
        yield [value.text if isinstance(value, Cell) else value for value in row]


def _none(*, every: bool, resolved: bool) -> str:
    return "There is no such alert." if every or resolved else "No alert is open."


def _row(of: Alert, now: datetime, place: tzinfo) -> Sequence[Cell | str]:
    return [
        str(of.id),
        Cell(str(of.severity), STYLES[of.severity]),
        Cell(of.state(now), "" if of.state(now) == "open" else "dim"),
        str(of.cause.alert_type),
        _about(of),
        str(of.occurrences),
        moment(of.last_occurred_at, now=now, zone=place),
        of.message,
    ]


def _about(of: Alert) -> str:
    """What it is about: its task, or what of the system, and on which node."""
    what = of.task_name or of.cause.subtype or "–"
    return f"{what} @{of.cause.node}" if of.cause.node else what


def document(of: Alert, now: datetime) -> dict[str, Any]:
    """Return an alert under the names of its columns, and its state."""
    return {**alert_columns(of), "state": of.state(now)}


@click.command()
@click.argument("number", metavar="ALERT", type=click.IntRange(1))
@json_option
@pass_session
def show(session: Session, /, *, number: int, as_json: bool) -> None:
    """Show all that is known of one alert: what happened, since when, how often, who was told and who reacted."""
    from smart_cron.core.zones import zone

    with session.house() as house:
        found = house.store.alerts.get(number)
        letters = house.store.outbox.letters_about(number, since=found.created_at)
        seen_by = house.store.alerts.seen_by(number) if found.acknowledged else None
        now, place = house.clock.now(), zone(house.config.time_zone)
    if as_json:
        print_json(document(found, now))
        return
    show_facts(list(_facts(found, now, place, _told(letters, now, place), seen_by)))


def _told(letters: Sequence[Delivered], now: datetime, place: tzinfo) -> dict[str, str]:
    """Return whom letters told and when, by receiver; a webhook's address is its password."""
    told: dict[str, list[str]] = {}
    for letter in letters:
        target, channel = letter.address.target, letter.address.channel
        who = channel if target is None else (masked_webhook(target) or "") if "://" in target else target
        told.setdefault(who, []).append(_letter(letter, now, place))
    return {who: ", ".join(each) for who, each in told.items()}


def _letter(letter: Delivered, now: datetime, place: tzinfo) -> str:
    local = letter.at.astimezone(place)
    when = local.strftime("%H:%M:%S" if local.date() == now.astimezone(place).date() else "%Y-%m-%d %H:%M:%S")
    kind = "" if letter.kind is MessageKind.ALERT else f"{letter.kind} "
    return f"{kind}{when}{_outcome(letter)}"


def _outcome(letter: Delivered) -> str:
    """Return how it ended, with the words of the server that did not take it."""
    if letter.status is DeliveryStatus.SENT:
        return ""
    word = "not sent yet" if letter.status is DeliveryStatus.PENDING else str(letter.status)
    return f" ({word}: {harmless(letter.last_error, WORDS)})" if letter.last_error else f" ({word})"


def _facts(
    of: Alert, now: datetime, place: tzinfo, told: Mapping[str, str], seen_by: str | None
) -> Iterator[tuple[str, str]]:
    def at(instant: datetime | None) -> str | None:
        return None if instant is None else instant_in_full(instant, zone=place)

    yield "Alert", f"{of.id}, {of.severity}, {of.state(now)}"
    yield "Type", str(of.cause.alert_type) + (f" ({of.cause.subtype})" if of.cause.subtype else "")
    yield from _given("Task", of.task_name)
    yield from _given("Node", of.cause.node)
    yield "Message", of.message
    yield "Since", at(of.created_at) or "–"
    if of.occurrences > 1:
        yield "Happened", f"{of.occurrences} times, last {at(of.last_occurred_at)}"
    yield from _given("Run", of.execution_id and f"{of.execution_id} ('smart-cron run show {of.execution_id}')")
    for name, value in of.details.items():
        yield _title(name), _shown(value)
    for number, (who, when) in enumerate(told.items()):
        yield "" if number else "Told", f"{who} {when}"
    yield from _given("Told", None if told else at(of.told_at))
    yield from _given("Reminders", of.reminders)
    seen = _by(of.acknowledged_by) or (f" by {seen_by}" if seen_by else "")
    yield from _given("Seen", of.acknowledged and (at(of.acknowledged_at) or "yes") + seen)
    yield from _given("Snoozed until", at(of.snoozed_until))
    yield from _given("Resolved", of.resolved and (at(of.resolved_at) or "yes") + _by(of.resolved_by))
    yield from _given("Note", of.note)


def _by(who: int | str | None) -> str:
    if who is None:
        return ""
    return f" by user {who}" if isinstance(who, int) else f" ({who})"


def _title(name: str) -> str:
    """Return a detail's name as a title: `Last words`."""
    return printable(name.replace("_", " ").capitalize(), limit=30)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _given(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value:
        yield name, str(value)
