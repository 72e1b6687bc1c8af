"""`smart-cron doctor`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from datetime import timedelta

    from smart_cron.config import Config
    from smart_cron.services.diagnosis import Finding, Surroundings

FOLDERS = {"runs": "state_dir", "log": "log_dir", "sockets": "run_dir", "backups": "backup_dir"}
COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command()
@json_option
@pass_session
def doctor(session: Session, /, *, as_json: bool) -> None:
    """Say what this machine gives and what is wrong with it.

    Looks at folders and disks, the task runner, the database, the clocks, and at how firmly runs are held: cgroups,
    limits, sandbox, other users. Nothing is changed. The exit code is 1 where something is wrong.
    """
    from smart_cron.services.diagnosis import diagnose, is_sound

    findings = diagnose(_surroundings(session))
    if as_json:
        print_json({"sound": is_sound(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            click.echo(_line(finding))
    if not is_sound(findings):
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    mark = click.style(f"{finding.verdict:<5}", fg=COLOURS[finding.verdict])
    return f"{mark}  {printable(f'{finding.subject}: {finding.sentence} {finding.remedy}'.rstrip())}"


def _surroundings(session: Session) -> Surroundings:
    from smart_cron.config import masked_url
    from smart_cron.home import account_name, exposed_directories
    from smart_cron.services.diagnosis import Surroundings

    config = session.config()
    owner = _owner(config)
    return Surroundings(
        node=config.node_name,
        folders={name: _folder(config, name) for name in FOLDERS},
        exposed=tuple(exposed_directories(config)),
        owner_uid=owner,
        owner=account_name(owner),
        starts_task_runner=config.start_task_runner,
        runner_pid=lambda: _runner_pid(config),
        database=masked_url(config.database_url),
        database_offset=lambda: _database_offset(session),
    )


def _folder(config: Config, name: str) -> Path:
    folder: Path = getattr(config, FOLDERS[name])
    return folder / "runs" if name == "runs" else folder


def _owner(config: Config) -> int:
    """Return whose home it is; where there is none yet, whoever makes it."""
    return config.state_dir.stat().st_uid if config.state_dir.is_dir() else os.geteuid()


def _runner_pid(config: Config) -> int | None:
    from smart_cron.wiring import runner_client

    client = runner_client(config)
    try:
        if client.connect():
            return client.runner_pid
        if client.silent_pid is not None:
            raise OSError(f"the task runner (process {client.silent_pid}) takes connections and does not answer")
    finally:
        client.close()
    return None


def _database_offset(session: Session) -> timedelta:
    from smart_cron.home import exposed_directories

    config = session.config()
    if any(exposed_directories(config)):
        raise SmartCronError(
            "the database is not opened while others can write in our folders.", remedy="Mend the folders first."
        )
    _require_database_file(config)
    with session.house() as house:
        return house.store.database.now() - house.clock.now()


def _require_database_file(config: Config) -> None:
    """Opening a SQLite database that is gone would make an empty one, and here nothing is changed."""
    parts = urlsplit(config.database_url)
    path = Path("/" + unquote(parts.path).lstrip("/"))
    if parts.scheme == "sqlite" and not path.exists():
        raise SmartCronError(
            f"the database file {path} is not there.",
            remedy="Restore it from a backup, or 'smart-cron init' for a new one.",
        )
