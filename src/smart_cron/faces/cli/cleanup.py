"""`smart-cron cleanup`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.builtin import CLEANUP
from smart_cron.core.errors import DatabaseUnavailableError, SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED, complain
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import size

if TYPE_CHECKING:
    from smart_cron.services.cleanup import Report, StepReport
    from smart_cron.services.cleanup.cleaner import Progress
    from smart_cron.wiring import House


@click.command()
@click.option("--files", is_flag=True, help="Look after this node's files alone: what runs printed, and logs.")
@dry_run_option
@json_option
@pass_session
def cleanup(session: Session, /, *, files: bool, dry_run: bool, as_json: bool) -> None:
    """Delete what is older than the settings keep it, and compress old logs.

    Nothing that waits or runs is touched, and of each task its newest runs stay; docs/cleanup.md lists every setting.
    The exit code is 1 where something had to be left undone. It may be interrupted at any point, and called again.

    From a crontab, without a terminal and without options, it does nothing where somebody has cleaned up today.
    """
    with session.house(check_schema=False) as house:
        fault = _fault_of_database(house)
        is_chore = _is_crontab_line(files, dry_run, as_json) or os.environ.get("SMART_CRON_TASK") == CLEANUP
        if not fault and _is_crontab_line(files, dry_run, as_json) and _is_done(house):
            return
        report = _clean(house, actor=session.actor, files=files, dry_run=dry_run, is_chore=is_chore, fault=fault)
    if report is None:
        click.echo("A clean-up of this node is under way already.")
        return
    _print(report, dry_run=dry_run, as_json=as_json, fault=fault)
    if fault or not report.is_whole:
        raise click.exceptions.Exit(FAILED)


def _fault_of_database(house: House) -> str:
    """Return why the database does not serve, or nothing. Raise SmartCronError where nothing may be deleted.

    On a disk that is full it may not be readable, and then there are logs to make room with.
    """
    from smart_cron.recovery.restore import look_for_restore

    try:
        house.store.database.check()
        restored = look_for_restore(house).is_certain
    except DatabaseUnavailableError as error:
        return str(error)
    if restored:
        raise SmartCronError(
            "the database came from a backup, and what ran since then is not settled: it would be taken for old.",
            remedy="Run 'smart-cron recover' first.",
        )
    return ""


def _is_crontab_line(*options: bool) -> bool:
    """Whether this is the specification's crontab line, whose slot the built-in task has."""
    has_terminal = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return not (any(options) or has_terminal or "SMART_CRON_TASK" in os.environ)


def _is_done(house: House) -> bool:
    """Whether somebody has cleaned up today; if so, say when."""
    from smart_cron.core.zones import zone
    from smart_cron.wiring.cleaning import done_today

    at = done_today(house)
    if at is None:
        return False
    local = at.astimezone(zone(house.config.time_zone))
    click.echo(f"Cleaned up at {local:%H:%M:%S} today. Clean up again: smart-cron cleanup --json")
    return True


def _clean(house: House, *, actor: str, files: bool, dry_run: bool, is_chore: bool, fault: str) -> Report | None:
    """Clean up, and write down that it was done; None where another one does it."""
    from smart_cron.wiring.cleaning import cleaner, hold_cleanup, note_files_done

    with hold_cleanup(house.config) as held:
        if not held:
            if is_chore:
                return None
            raise SmartCronError("a clean-up of this node is under way already.", remedy="Wait for its end.")
        with _progress() as progress:
            report = cleaner(house, dry_run=dry_run, has_database=not fault, files_only=files).clean(progress)
        if dry_run or fault:
            return report
        if report.is_whole:
            note_files_done(house.config)
        if not files:
            house.store.cleanup_book.note(report.counts, actor=actor, is_whole=report.is_whole)
        return report


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show on a terminal which step is under way; say nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _name, _count: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda name, count: status.update(f"{_words(name)}: {count:,}")


def _print(report: Report, *, dry_run: bool, as_json: bool, fault: str) -> None:
    if as_json:
        print_json({"dry_run": dry_run, "fault": fault or None, "steps": [_document(step) for step in report.steps]})
    else:
        lines = [_line(step, dry_run=dry_run) for step in report.steps if step.done.count]
        for line in lines or ["Nothing is old enough to go."]:
            click.echo(line)
        if dry_run:
            click.echo("Nothing was done.")
    for sentence in (f"{fault} Only logs were looked after." if fault else "", *_faults(report)):
        if sentence:
            complain(sentence)


def _faults(report: Report) -> Iterator[str]:
    for step in report.steps:
        yield from (f"{_words(step.name)}: {fault}" for fault in step.done.faults)


def _line(step: StepReport, *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    freed = f" ({size(step.done.freed_bytes)})" if step.done.freed_bytes else ""
    return f"{_words(step.name)}: {step.done.count:,} {would}{step.verb}{freed}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _document(step: StepReport) -> Mapping[str, Any]:
    return {
        "step": str(step.name),
        "count": step.done.count,
        "bytes": step.done.freed_bytes,
        "seconds": round(step.seconds, 3),
        "longest_lock_ms": round(step.done.longest_lock.total_seconds() * 1000, 3),
        "faults": list(step.done.faults),
    }
