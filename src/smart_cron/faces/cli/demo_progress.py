"""What the demo shows while it goes on: a live table on a terminal, a line for each change in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.run import Status
from smart_cron.faces.cli.demo_tasks import INTENTS
from smart_cron.faces.cli.run_rows import took
from smart_cron.faces.cli.tables import STYLES, Cell, Column, rich_table, terminal
from smart_cron.faces.cli.text import printable, span

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

Attempts = Mapping[str, Sequence[Mapping[str, Any]]]
COLUMNS = (
    Column(title="Task"),
    Column(title="What it does", gives_way=True),
    Column(title="Status"),
    Column(title="Try", right=True),
    Column(title="Took", right=True),
)


class Progress:
    """Told the attempts of each task again and again, it shows what is new."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._told: set[tuple[int, str]] = set()

    def show(self, attempts: Attempts, now: datetime) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(_table(attempts, now), refresh=True)
            return
        for rows in attempts.values():
            for row in rows:
                self._tell(row, now)

    def _tell(self, row: Mapping[str, Any], now: datetime) -> None:
        key = (int(row["id"]), str(row["status"]))
        if key in self._told or row["status"] in (Status.WAITING, Status.CLAIMED):
            return
        self._told.add(key)
        error = f": {row['error_message']}" if row["error_message"] else ""
        length = f" after {span(took(row, now))}" if Status(row["status"]).is_final else ""
        click.echo(printable(f"{row['task_name']} (attempt {row['attempt']}): {row['status']}{length}{error}"))

    def say(self, sentence: str) -> None:
        """Print a line beside the table."""
        if self._live is not None:
            self._live.console.print(sentence)
        else:
            click.echo(sentence)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress in the way that standard output allows."""
    if not sys.stdout.isatty():
        yield Progress(None)
        return
    from rich.live import Live

    with Live(console=terminal(), auto_refresh=False, transient=True) as live:
        yield Progress(live)


def _table(attempts: Attempts, now: datetime) -> Table:
    return rich_table(COLUMNS, [_row(name, attempts.get(name, ()), now) for name in INTENTS])


def _row(name: str, rows: Sequence[Mapping[str, Any]], now: datetime) -> list[Cell]:
    story = Cell(INTENTS[name].story, "dim")
    if not rows:
        return [Cell(name), story, Cell("…", "dim"), Cell(""), Cell("")]
    last = rows[-1]
    status = str(last["status"])
    return [
        Cell(name),
        story,
        Cell(status, STYLES.get(status, "")),
        Cell(str(last["attempt"])),
        Cell(span(took(last, now)) if last["started_at"] else ""),
    ]
