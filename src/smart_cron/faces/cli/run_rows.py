"""Executions as rows of a table, for every command that lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import click

from smart_cron.core.run import Status
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import moment, span

RUN = Column(title="Run", right=True)
TASK = Column(title="Task", gives_way=True)
COLUMNS = (
    Column(title="Status"),
    Column(title="Slot"),
    Column(title="Started"),
    Column(title="Took", right=True),
    Column(title="Exit", right=True),
    Column(title="By"),
    Column(title="Try", right=True),
)
# The page is bounded so that a list of ten million answers as quickly as one of ten.
limit_option = click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most."
)
before_option = click.option("--before", type=int, metavar="RUN", help="Only runs older than this number.")
status_option = click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([str(status) for status in Status]),
    help="Only runs that stand so; repeat it for several.",
)


def statuses_of(words: Sequence[str]) -> tuple[Status, ...] | None:
    """Return the statuses asked for, None for all."""
    return tuple(Status(word) for word in words) or None


def show_runs(rows: Sequence[Mapping[str, Any]], *, now: datetime, zone: tzinfo, with_task: bool, empty: str) -> None:
    """Print executions, one a line."""
    columns = (RUN, TASK, *COLUMNS) if with_task else (RUN, *COLUMNS)
    show_table(columns, [_cells(row, now, zone, with_task=with_task) for row in rows], empty=empty)


def _cells(row: Mapping[str, Any], now: datetime, zone: tzinfo, *, with_task: bool) -> list[Cell | str]:
    return [
        str(row["id"]),
        *([str(row["task_name"])] if with_task else []),
        str(row["status"]),
        moment(row["scheduled_for"], now=now, zone=zone),
        moment(row["started_at"], now=now, zone=zone),
        span(took(row, now)),
        "–" if row["exit_code"] is None else str(row["exit_code"]),
        str(row["triggered_by"]),
        str(row["attempt"]),
    ]


def took(row: Mapping[str, Any], now: datetime) -> float | None:
    """Return the seconds that a run took, or has taken so far."""
    if row["execution_time"] is not None:
        return float(row["execution_time"])
    if row["status"] == Status.RUNNING and row["started_at"] is not None:
        return max(0.0, float((now - row["started_at"]).total_seconds()))
    return None
