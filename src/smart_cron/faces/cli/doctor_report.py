"""`smart-cron doctor --report TASK`: everything that somebody who helps would ask for, in one file without secrets."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel, SecretStr

from smart_cron import __version__
from smart_cron.core.errors import SmartCronError, UnknownTaskError
from smart_cron.faces.cli.doctor import examine, lines
from smart_cron.faces.cli.doctor_surroundings import impatient, require_database
from smart_cron.faces.cli.documents import definition_document
from smart_cron.faces.cli.text import printable, printable_lines
from smart_cron.services.diagnosis.machine import machine_facts
from smart_cron.services.diagnosis.report import Section, compose, tail
from smart_cron.services.diagnosis.scrub import HIDDEN, Scrubber, secrets_of_url

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.core.task import Task
    from smart_cron.wiring import House

RUNS, TAIL_LINES, ALERTS, LOG_LINES, LOG_DAYS = 20, 15, 20, 100, 7
PACKAGES = ("Django", "click", "pydantic", "cronsim", "psutil", "PyMySQL", "psycopg")
# What every crontab sets; to hide these everywhere would hide the trouble.
HARMLESS = frozenset({"PATH", "HOME", "SHELL", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "MAILTO", "TERM"})
SHOWN = (
    "status", "triggered_by", "attempt", "scheduled_for", "started_at", "completed_at", "execution_time", "exit_code",
    "term_signal", "error_type", "error_message", "memory_peak_mb", "node", "reason",
)  # fmt: skip


def write_report(config: Config, name: str, output: Path | None) -> None:
    """Write the report about this task and say where. Raise UnknownTaskError, and SmartCronError for the file."""
    now = datetime.now(UTC)
    task, told, secrets = _from_database(config, name)
    shown_name = task.name if task else name
    sections = [
        Section(title="Versions", lines=list(_versions())),
        Section(title="Machine", lines=[f"{key}: {value}" for key, value in machine_facts()]),
        Section(title="What doctor found", lines=lines(examine(config))),
        Section(title="Settings", lines=list(_flat(config.shown()))),
        *told,
        Section(title="The log about it", lines=list(_log_lines(config.log_dir, shown_name))),
    ]
    scrubber = Scrubber([*_secrets_in(config), *secrets])
    title = f"Smart Cron report on task {printable(shown_name)}, {now:%Y-%m-%d %H:%M:%S} UTC"
    path = output or Path(f"smart-cron-report-{_plain(shown_name)}-{now:%Y%m%d-%H%M%S}.txt")
    _write(path, compose(sections, title=title, scrubber=scrubber))
    click.echo(f"Wrote {path}. Read it, add how to reproduce it, and send it to whoever helps you.")


def _from_database(config: Config, name: str) -> tuple[Task | None, list[Section], list[str]]:
    """Return the task, what the database tells of it, and the secrets that stand there; without one, why not."""
    from smart_cron.wiring import open_house

    try:
        require_database(config)
        house = open_house(impatient(config))
    except SmartCronError as error:
        return None, [Section(title="The task", lines=[f"The database does not tell: {error.message}"])], []
    try:
        task = house.store.tasks.get(name)
        return task, _told(house, task), list(_secrets_of(house.store.tasks.list()))
    except UnknownTaskError:
        raise
    except SmartCronError as error:
        return None, [Section(title="The task", lines=[f"The database does not tell: {error.message}"])], []
    finally:
        house.close()


def _told(house: House, task: Task) -> list[Section]:
    rows = house.store.history.runs(task_id=task.id, limit=RUNS)
    runs = [line for row in rows for line in _run(house, row["id"])]
    alerts = house.store.alerts.alerts(task_id=task.id, limit=ALERTS)
    return [
        Section(title="The database", lines=[printable(house.store.session.server())]),
        Section(title="The task", lines=list(_definition(task))),
        Section(title=f"Its last {RUNS} runs, the newest first", lines=runs),
        Section(
            title="Its alerts, the newest first",
            lines=[
                printable(
                    f"{alert.created_at:%Y-%m-%d %H:%M:%S} {alert.severity} {alert.cause.alert_type} "
                    f"({alert.occurrences} times, {'resolved' if alert.resolved else 'open'}): {alert.message}"
                )
                for alert in alerts
            ],
        ),
    ]


def _definition(task: Task) -> Iterator[str]:
    document = definition_document(task.definition)
    document["environment"] = dict.fromkeys(task.definition.environment, HIDDEN)
    document["stdin_text"] = HIDDEN if task.definition.stdin_text else None
    document["task_arguments"] = shlex.join(task.definition.arguments)
    yield from _flat(document)
    yield f"next_run_at: {task.next_run_at}"
    yield f"last_run_at: {task.last_run_at}, {task.last_status}"
    yield f"runs: {task.total_executions}, failed {task.total_failures}, in a row {task.consecutive_failures}"
    yield f"invalid: {printable(task.invalid_reason or 'no')}"


def _run(house: House, number: int) -> Iterator[str]:
    row = house.store.history.run(str(number))
    facts = ", ".join(f"{key}={printable(row[key])}" for key in SHOWN if row[key] is not None)
    yield f"run {number}: {facts}"
    for stream in ("stdout", "stderr"):
        for line in tail(row[f"{stream}_output"], count=TAIL_LINES):
            yield from (f"    {stream}| {text}" for text in printable_lines(line))


def _versions() -> Iterator[str]:
    yield f"Smart Cron {__version__}"
    yield f"Python {sys.version.split()[0]} ({sys.executable})"
    for package in PACKAGES:
        try:
            yield f"{package} {metadata.version(package)}"
        except metadata.PackageNotFoundError:
            yield f"{package} is not installed"


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield printable(f"{before}{key}: {value}")


def _log_lines(folder: Path, name: str) -> Iterator[str]:
    found = list(islice((line for line in _backwards(folder) if _is_about(line, name)), LOG_LINES))
    for entry in reversed(found):
        facts = " ".join(f"{key}={value}" for key, value in (entry.get("context") or {}).items())
        yield printable(f"{entry.get('timestamp')} {entry.get('level')} {entry.get('message')} {facts}")


def _backwards(folder: Path) -> Iterator[dict[str, Any]]:
    from smart_cron.logs.day_log import day_files
    from smart_cron.logs.reading import LogReadError, entries_backwards

    for path in reversed(day_files(folder, "master")[-LOG_DAYS:]):
        try:
            yield from entries_backwards(path)
        except LogReadError as error:
            yield {"message": str(error), "context": {"task": None}}


def _is_about(entry: Mapping[str, Any], name: str) -> bool:
    context = entry.get("context")
    named = context.get("task") if isinstance(context, dict) else None
    return named == name or (named is None and f"'{name}'" in str(entry.get("message")))


def _secrets_in(value: object) -> Iterator[str]:
    """Yield every secret of the settings, wherever it stands."""
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        yield from secrets_of_url(text) if "://" in text else [text]
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _secrets_in(each)


def _secrets_of(tasks: Sequence[Task]) -> Iterator[str]:
    """Yield what tasks know that nobody else should: one task's output may tell another's."""
    for task in tasks:
        definition = task.definition
        yield from (text for name, text in definition.environment.items() if name not in HARMLESS)
        yield from filter(None, [definition.stdin_text])
        for url in filter(None, (definition.alert_slack_webhook, definition.ping_url)):
            yield from secrets_of_url(url)


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:60].strip("-.") or "task"


def _write(path: Path, text: str) -> None:
    """Write a file that was not there, for this user alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SmartCronError(
            f"the report cannot be written to {path}: {error.strerror}.", remedy="Name another file with --output."
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
