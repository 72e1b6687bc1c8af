"""`smart-cron ledger`: every execution and every slot that did not run."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from smart_cron.core.moments import Moment
from smart_cron.faces.cli.errors import READER_LEFT, note
from smart_cron.faces.cli.instants import read_moment
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Column, show_table
from smart_cron.faces.cli.text import counted

if TYPE_CHECKING:
    from smart_cron.core.ledger import LedgerEntry, LedgerTask
    from smart_cron.core.ports import LedgerStore
    from smart_cron.wiring import House

COLUMNS = (
    Column(title="Task", gives_way=True),
    Column(title="Success", right=True),
    Column(title="Failed", right=True),
    Column(title="Lost", right=True),
    Column(title="Missed", right=True),
    Column(title="Skipped", right=True),
    Column(title="Coalesced", right=True),
    Column(title="Held", right=True),
    Column(title="Open", right=True),
)
# The words of the ledger by the column of the summary that counts them.
PLACES = {
    "success": "Success",
    "lost": "Lost",
    "missed": "Missed",
    "skipped": "Skipped",
    "coalesced": "Coalesced",
    "held": "Held",
    **dict.fromkeys(("failed", "timeout", "killed", "oom", "start_failed"), "Failed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """since <= instant < until, either may be open."""

    since: datetime | None
    until: datetime | None


@click.command()
@click.option("--task", "names", multiple=True, help="Only this task, deleted or not; repeat it for several.")
@click.option("--since", metavar="TIME", help="Slots from this time on [default: the beginning].")
@click.option("--until", metavar="TIME", help="Slots before this time [default: no end].")
@click.option("--jsonl", "as_lines", is_flag=True, help="Print one JSON object a line, each slot by itself.")
@click.option("--json", "as_json", is_flag=True, help="The same as --jsonl: lines can be streamed, an array cannot.")
@pass_session
def ledger(
    session: Session, /, *, names: tuple[str, ...], since: str | None, until: str | None, as_lines: bool, as_json: bool
) -> None:
    """Say what became of every slot: executions, and slots that did not run.

    With --jsonl one line for each execution (every attempt) and each slot that did not run, task by task in the order
    of slots; without it the counts of each task. Runs by hand belong to the time when they were asked for. Deleted
    tasks are included.

    TIME is 2026-11-23, '2026-11-23 02:30', either with Z or +01:00, or now, -2h, -7d; without a zone it is in the
    configured one.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        place = zone(house.config.time_zone)
        interval = read_interval(since, until, now=house.clock.now(), place=place)
        if house.is_remote:
            _print_from_afar(house, names, interval, place, as_lines=as_lines or as_json)
            return
        tasks = _tasks(house.store.ledger, names)
        if as_lines or as_json:
            _print_lines(house.store.ledger, tasks, interval)
        else:
            _print_summary(house.store.ledger, tasks, interval, place)


def _print_from_afar(
    house: House, names: Sequence[str], interval: Interval, place: ZoneInfo, *, as_lines: bool
) -> None:
    from smart_cron.faces.cli.remote.answers import ledger_counts, ledger_lines
    from smart_cron.faces.cli.remote.house import api_of

    lines = ledger_lines(api_of(house), names, interval.since, interval.until)
    if as_lines:
        _write_lines(lines)
    else:
        _show_counts(ledger_counts(lines), interval, place)


def read_interval(since: str | None, until: str | None, *, now: datetime, place: ZoneInfo) -> Interval:
    """Read both ends. Raise click.UsageError where one cannot be read, or where they are reversed."""
    ends = [_end(text, option, now=now, place=place) for text, option in ((since, "--since"), (until, "--until"))]
    first, last = ends
    if first and last and first.at >= last.at:
        raise click.UsageError(
            f"--since {since} is not before --until {until} (times in {place.key}); did you mean to exchange them?"
        )
    return Interval(since=first.at if first else None, until=last.at if last else None)


def _end(text: str | None, option: str, *, now: datetime, place: ZoneInfo) -> Moment | None:
    if text is None:
        return None
    found = read_moment(text, option=option, now=now, place=place)
    if found.remark:
        note(f"{option}: {found.remark}")
    return found


def _tasks(store: LedgerStore, names: Sequence[str]) -> list[LedgerTask]:
    from smart_cron.services.ledger import tasks_named

    known = store.tasks()
    if not names:
        return known
    wanted = {task.task_id for name in names for task in tasks_named(known, name)}
    return [task for task in known if task.task_id in wanted]


def _entries(store: LedgerStore, task: LedgerTask, interval: Interval) -> Iterator[LedgerEntry]:
    from smart_cron.services.ledger import entries

    return entries(store, task.task_id, since=interval.since, until=interval.until)


def _print_lines(store: LedgerStore, tasks: Iterable[LedgerTask], interval: Interval) -> None:
    from smart_cron.core.ledger import lines

    _write_lines(line for task in tasks for line in lines(_entries(store, task, interval)))


def _write_lines(found: Iterable[str]) -> None:
    try:
        # Standard output itself: click.echo flushes after every line, of which there may be millions.
        for line in found:
            sys.stdout.write(f"{line}\n")
    except BrokenPipeError:
        # Said here, since click calls it a failure.
        raise click.exceptions.Exit(READER_LEFT) from None


def _print_summary(store: LedgerStore, tasks: Sequence[LedgerTask], interval: Interval, place: ZoneInfo) -> None:
    from smart_cron.services.ledger import counts

    by_name: dict[str, Counter[str]] = {}
    for task in tasks:
        found = counts(store, task.task_id, since=interval.since, until=interval.until)
        if found:
            # A task that was deleted and one that was added anew under its name are one line.
            by_name.setdefault(task.name, Counter()).update(found)
    _show_counts(by_name, interval, place)


def _show_counts(by_name: Mapping[str, Counter[str]], interval: Interval, place: ZoneInfo) -> None:
    rows = [_row(name, found) for name, found in by_name.items()]
    show_table(COLUMNS, rows, empty=f"Nothing is on record {_told(interval, place)}.")
    if rows and sys.stdout.isatty():
        total = sum(found.total() for found in by_name.values())
        note(f"{counted(total, 'line')} {_told(interval, place)}; --jsonl prints each.")


def _row(name: str, found: Counter[str]) -> list[str]:
    columns: Counter[str] = Counter()
    for word, count in found.items():
        columns[PLACES.get(word, "Open")] += count
    return [name, *(str(columns[column.title] or "–") for column in COLUMNS[1:])]


def _told(interval: Interval, place: ZoneInfo) -> str:
    ends = [
        f"{word} {end.astimezone(place):%Y-%m-%d %H:%M:%S}"
        for word, end in (("from", interval.since), ("to before", interval.until))
        if end is not None
    ]
    return f"{' '.join(ends)} (times in {place.key})" if ends else "in all"
