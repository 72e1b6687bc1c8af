"""`smart-cron logs`: the day files, for people."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.documents import print_json_line
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bright_red"}
LOOK_AGAIN_SECONDS = 0.25


@click.command()
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="This level and heavier ones.")
@click.option("--search", "text", help="Only messages that hold this text.")
@click.option("-n", "--lines", type=click.IntRange(0, 100_000), default=100, show_default=True, help="How many.")
@click.option(
    "--kind", type=click.Choice(("master", "health", "cleanup")), default="master", show_default=True, help="Which log."
)
@json_option
@pass_session
def logs(
    session: Session, /, *, follows: bool, level: str | None, text: str | None, lines: int, kind: str, as_json: bool
) -> None:
    """Show the latest lines of the log, or follow it.

    --json prints the lines as they stand in the files, one JSON object each.
    """
    from smart_cron.logs.criteria import Criteria
    from smart_cron.logs.day_log import DayLog
    from smart_cron.logs.follow import follow

    if session.is_remote:
        _print(_from_afar(session, kind, level, text, lines, follows=follows), as_json=as_json)
        return
    folder = session.config().log_dir
    if not folder.is_dir():
        raise SmartCronError(
            f"there are no logs: {folder} does not exist.", remedy="Run 'smart-cron init', or set SMART_CRON_HOME."
        )
    wanted = Criteria({"min_level": level, "message": text})
    day_log = DayLog(folder, kind)
    # Opened before the past is read: a line written between the two would else be lost.
    coming = follow(lambda: day_log.path_at(datetime.now(UTC)), wait=_wait)
    past = _latest(folder, kind, wanted, lines)
    _print(past, as_json=as_json)
    if follows:
        _print((entry for entry in coming if wanted.admit(entry)), as_json=as_json)
    elif not past:
        click.echo(f"There is no such line in the {kind} logs in {folder}.", err=True)


def _from_afar(
    session: Session, kind: str, level: str | None, text: str | None, lines: int, *, follows: bool
) -> list[dict[str, Any]]:
    from smart_cron.faces.cli.remote.house import api_of
    from smart_cron.faces.cli.remote.watch import latest_lines

    if follows:
        raise SmartCronError("the log is followed on the machine itself.", remedy="Its page /logs follows it, too.")
    with session.house() as house:
        return latest_lines(api_of(house), kind=kind, level=level, text=text, count=lines)


def _wait() -> bool:
    time.sleep(LOOK_AGAIN_SECONDS)
    return True


def _latest(folder: Path, kind: str, wanted: Any, count: int) -> list[dict[str, Any]]:
    """Return the latest entries of all days, oldest first."""
    found = list(islice(_backwards(folder, kind, wanted), count))
    return found[::-1]


def _backwards(folder: Path, kind: str, wanted: Any) -> Iterator[dict[str, Any]]:
    from smart_cron.logs.day_log import day_files
    from smart_cron.logs.reading import entries_backwards

    for path in reversed(day_files(folder, kind)):
        yield from (entry for entry in entries_backwards(path) if wanted.admit(entry))


def _print(entries: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            print_json_line(entry)
        else:
            click.echo(_line(entry))


def _line(entry: Mapping[str, Any]) -> str:
    level = str(entry.get("level", ""))
    stamp = printable(str(entry.get("timestamp", ""))[:23])
    shown = click.style(f"{printable(level):<8}", fg=COLOURS.get(level))
    context = entry.get("context")
    facts = _facts(context) if isinstance(context, dict) else ""
    return f"{stamp}  {shown}  {printable(entry.get('message', ''))}{facts}".rstrip()


def _facts(context: Mapping[str, Any]) -> str:
    # The task's name ends the message already.
    facts = [f"{printable(name)}={printable(_short(value))}" for name, value in context.items() if name != "task"]
    return click.style("  " + " ".join(facts), dim=True) if facts else ""


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
