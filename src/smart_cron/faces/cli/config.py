"""`smart-cron config`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.config import Config

COMMANDS = {
    "show": ("config:show", "Print the settings in force, passwords hidden."),
    "check": ("config:check", "Find faults in the settings, the folders and the database."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def config() -> None:
    """Show and check the settings."""


@click.command()
@json_option
@pass_session
def show(session: Session, /, *, as_json: bool) -> None:
    """Print the settings in force, passwords hidden.

    They are printed as a TOML file would have them.
    """
    if session.is_remote:
        _show_from_afar(session, as_json=as_json)
        return
    config = session.config()
    if as_json:
        print_json(config.shown())
        return
    there = "" if config.file.exists() else " (not there: defaults and environment only)"
    click.echo(f"# {config.file}{there}")
    for line in _toml_lines(config.shown()):
        click.echo(line)


def _show_from_afar(session: Session, *, as_json: bool) -> None:
    from smart_cron.faces.cli.remote.answers import settings_document
    from smart_cron.faces.cli.remote.house import api_of

    with session.house() as house:
        found = settings_document(api_of(house))
    if as_json:
        print_json(found)
        return
    for line in _toml_lines(found):
        click.echo(line)


def _toml_lines(values: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield the lines of one table and, below it, of the tables in it."""
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    for key, value in values.items():
        if key not in tables and (place, key) != ("", "home"):
            yield f"{_key(key)} = {_toml(value)}" if value is not None else f"# {key} is not set"
    for name, table in tables.items():
        path = f"{place}.{_key(name)}" if place else name
        yield f"\n[{path}]"
        yield from _toml_lines(table, path)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _toml(value: Any) -> str:
    # TOML's strings, numbers, flags and lists of strings are written as JSON's are.
    return json.dumps(value)


@click.command()
@json_option
@pass_session
def check(session: Session, /, *, as_json: bool) -> None:
    """Find faults in the settings, the folders and the database.

    All faults come at once; the exit code is 1 where there is one.
    """
    config = session.config()
    problems = [*_folder_problems(config), *_channel_problems(config), *_database_problems(session)]
    if as_json:
        print_json({"file": config.file, "problems": problems})
        if problems:
            raise click.exceptions.Exit(1)
        return
    if problems:
        raise ConfigError(problems)
    click.echo(f"The settings of {config.home} are sound, the folders can be written, the database fits.")


def _folder_problems(config: Config) -> Iterator[str]:
    from smart_cron.home import ANSWER_SECONDS, exposed_directories
    from smart_cron.services.patience import silent_paths

    folders = {key: getattr(config, key) for key in ("state_dir", "log_dir", "run_dir", "backup_dir")}
    silent = silent_paths(folders.values(), seconds=ANSWER_SECONDS)
    for key, folder in folders.items():
        if folder in silent:
            yield f"{key}: {folder} does not answer, its disk or mount hangs"
        elif not folder.is_dir():
            yield f"{key}: {folder} is not there, 'smart-cron init' makes it"
        elif not os.access(folder, os.W_OK | os.X_OK):
            yield f"{key}: {folder} cannot be written by this user"
    yield from exposed_directories(config)


def _channel_problems(config: Config) -> Iterator[str]:
    from smart_cron.wiring.channels import channel_problems

    yield from channel_problems(config)


def _database_problems(session: Session) -> Iterator[str]:
    from smart_cron.home import exposed_directories

    config = session.config()
    if not config.state_dir.is_dir() or any(exposed_directories(config)):
        return  # Told already, and no database is opened there.
    try:
        with session.house():
            pass
    except SmartCronError as error:
        yield f"database: {_as_part(error)}"


def _as_part(error: SmartCronError) -> str:
    """Return an error as a part of a longer sentence."""
    return f"{error.message.rstrip('.')}. {error.remedy}".rstrip(" .")
