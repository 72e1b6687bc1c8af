"""Tables: as wide as the terminal with colours there, plain aligned columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import click

from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {
    "success": "green",
    "running": "cyan",
    "claimed": "cyan",
    "enabled": "",
    "disabled": "dim",
    "invalid": "bold red",
    "failed": "red",
    "timeout": "red",
    "oom": "red",
    "lost": "magenta",
    "unreachable": "magenta",
    "start_failed": "red",
    "killed": "yellow",
    "missed": "yellow",
    "skipped": "yellow",
    "waiting": "blue",
    "delayed": "blue",
    "queued": "blue",
    "blocked": "blue",
}


class Cell(NamedTuple):
    """A text and, where the text itself does not name one, the style it is shown in."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's title; `gives_way` says that it is the first to be cut when the terminal is narrow."""

    title: str
    right: bool = False
    gives_way: bool = False


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], *, empty: str) -> None:
    """Print the rows, or the sentence *empty* where there are none. Every text is made harmless here."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty)
    elif sys.stdout.isatty():
        terminal().print(rich_table(columns, cells))
    else:
        for line in plain_lines(columns, cells):
            click.echo(line)


def terminal() -> Console:
    """Return a console that prints what it is given: no markup, no highlighting, no emoji names."""
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def rich_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> Table:
    """Return a table without frames, so that lines can be selected and copied."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            Text(column.title, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.right else "left",
            # rich cuts wrapping columns first: one line a row is kept by cutting them with an ellipsis.
            no_wrap=not column.gives_way,
            overflow="ellipsis",
            min_width=min(12, len(column.title)) if column.gives_way else None,
        )
    for row in rows:
        table.add_row(*(Text(text, style=style, no_wrap=True, overflow="ellipsis") for text, style in row))
    return table


def plain_lines(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Return the table in full for a pipe: nothing cut, two blanks between columns."""
    titles = [Cell(column.title.upper()) for column in columns]
    table = [titles, *rows]
    widths = [max(len(row[place].text) for row in table) for place in range(len(columns))]
    return ["  ".join(map(_aligned, row, columns, widths)).rstrip() for row in table]


def _aligned(cell: Cell, column: Column, width: int) -> str:
    return cell.text.rjust(width) if column.right else cell.text.ljust(width)


def _cell(value: Cell | str) -> Cell:
    text, style = value if isinstance(value, Cell) else (value, "")
    return Cell(printable(text), style or STYLES.get(text, ""))


def show_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; values are not cut, so that they can be copied."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {printable(value)}")
