"""`run show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

import click

from smart_cron.core.run import Status
from smart_cron.core.run_remains import left_behind, unkept_limits
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.run_rows import took
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import show_facts
from smart_cron.faces.cli.text import instant_in_full, printable_lines, size, span

TAIL_LINES = 10


@click.command()
@click.argument("number", metavar="RUN")
@json_option
@pass_session
def show(session: Session, /, *, number: str, as_json: bool) -> None:
    """Show what is known of a run, and the end of its output.

    RUN is its number, or its run id. 'smart-cron run logs RUN' prints the whole output.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        row = house.store.history.run(number)
        now, place = house.clock.now(), zone(house.config.time_zone)
    if as_json:
        print_json({**row, "leftovers": left_behind(row), "unkept_limits": unkept_limits(row)})
        return
    show_facts(list(_facts(row, now, place)))
    for title, column in (("Standard output", "stdout_output"), ("Standard error", "stderr_output")):
        _show_tail(title, row[column], row)


def _facts(row: Mapping[str, Any], now: datetime, place: tzinfo) -> Iterator[tuple[str, str]]:
    yield "Run", f"{row['id']} of task '{row['task_name']}', attempt {row['attempt']}, by {row['triggered_by']}"
    yield "Status", str(row["status"]) + (", recorded late" if row.get("late") else "")
    yield from _given("Error", row["error_message"])
    yield from _given("Reason", row["reason"])
    yield from _given("Asked by", row["requested_by"])
    yield from _given("To be ended", row["cancel_reason"] if not Status(row["status"]).is_final else None)
    yield "Slot", instant_in_full(row["scheduled_for"], zone=place)
    yield "Started", instant_in_full(row["started_at"], zone=place)
    yield "Ended", instant_in_full(row["completed_at"], zone=place)
    yield "Took", span(took(row, now))
    yield "Exit code", _exit(row)
    yield from _given("Peak memory", row["memory_peak_mb"] and f"{row['memory_peak_mb']} MB")
    yield from _given("CPU time", None if row["cpu_seconds"] is None else span(row["cpu_seconds"]))
    yield from _given("Arguments", row["run_arguments"])
    left = left_behind(row)
    yield from _given("Left behind, ended", ", ".join(left["leftovers"]))
    yield from _given("Could not be ended", ", ".join(left["unkillable"]))
    yield from _given("Limits not kept", "; ".join(unkept_limits(row)))
    yield from _given("Node", row["node"])
    yield from _given("Run id", row["run_id"])
    yield "Output", size(row["output_bytes"]) + (", cut" if row["output_truncated"] else "")
    yield from _given("Output file", row["output_path"])


def _given(name: str, value: object) -> Iterator[tuple[str, str]]:
    if value:
        yield name, str(value)


def _exit(row: Mapping[str, Any]) -> str:
    if row["exit_code"] is None:
        return "–"
    return str(row["exit_code"]) + (f" (ended by signal {row['term_signal']})" if row["term_signal"] else "")


def _show_tail(title: str, text: str | None, row: Mapping[str, Any]) -> None:
    if not text:
        return
    lines = printable_lines(text)
    cut = f", the last {TAIL_LINES} of {len(lines)} lines" if len(lines) > TAIL_LINES else ""
    more = f" ('smart-cron run logs {row['id']}' prints all)" if cut else ""
    click.echo(click.style(f"\n{title}{cut}{more}:", bold=True))
    for line in lines[-TAIL_LINES:]:
        click.echo(f"  {line}")
