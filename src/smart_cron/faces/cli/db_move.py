"""`smart-cron db move`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.move import MoveProgress, OnInvalid, Tell
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Column, show_table
from smart_cron.faces.cli.text import counted, printable

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.moving import Moved

VARIABLE = "SMART_CRON_MOVE_TO"
COLUMNS = (Column(title="Table"), Column(title="Rows", right=True), Column(title="Checksum on both sides"))


@click.command()
@click.option(
    "--to", "url", metavar="URL", help="The new database. Without a password in it, if others use this machine."
)
@click.option(
    "--to-file", type=click.Path(path_type=Path), metavar="FILE", help=f"Read its URL from here (or {VARIABLE})."
)
@click.option(
    "--invalid",
    "on_invalid",
    type=click.Choice([str(choice) for choice in OnInvalid]),
    default=str(OnInvalid.REFUSE),
    show_default=True,
    help="What becomes of values that the new database cannot hold; each is told.",
)
@click.option("--switch", is_flag=True, help="Write the new URL into the settings afterwards.")
@click.option("--undo", is_flag=True, help="Take a database back that was moved away: let starts go on there.")
@click.option("--force", is_flag=True, help="With --undo: although the new one was used since, or does not answer.")
@dry_run_option
@json_option
@pass_session
def move(
    session: Session,
    /,
    *,
    url: str | None,
    to_file: Path | None,
    on_invalid: str,
    switch: bool,
    undo: bool,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Carry the whole database over to another one, SQLite, MariaDB, MySQL or PostgreSQL.

    Stop the masters first; running tasks go on. Nothing starts on the old database any more, for good. Numbers and
    instants stay as they are, both sides are compared, and a call that was cut short goes on when it is called again.
    Users, second factors and API keys move too; whoever is logged in logs in again.
    """
    if force and not undo:
        raise click.UsageError("--force belongs to --undo.")
    if undo:
        _undo(session, _given(url, to_file), force=force, dry_run=dry_run)
        return
    wanted = _url(url, to_file)
    started = monotonic()
    from smart_cron.moving import Move, switch_settings

    with session.house(knows_logins=True) as house, _progress(quiet=as_json) as tell:
        deed = Move(house, wanted, actor=session.actor, on_invalid=OnInvalid(on_invalid), tell=tell)
        moved = deed.look() if dry_run else deed.run()
        config = house.config
    if switch and not dry_run:
        switch_settings(config, wanted)
    (_print_json if as_json else _print)(
        moved, config, wanted, seconds=monotonic() - started, is_switched=switch, dry_run=dry_run
    )


def _url(url: str | None, file: Path | None) -> str:
    given = _given(url, file)
    if given is None:
        raise click.UsageError(f"Where to? Give --to URL, --to-file FILE, {VARIABLE} or {VARIABLE}_FILE.")
    return given


def _given(url: str | None, file: Path | None) -> str | None:
    given = [value for value in (url, _read(file) if file else None) if value is not None]
    if len(given) > 1:
        raise click.UsageError("--to and --to-file exclude each other.")
    if url is not None and _holds_password(url):
        note("The password stands in the list of processes for all to see: --to-file or " + VARIABLE + " hide it.")
    path = os.environ.get(f"{VARIABLE}_FILE")
    return given[0] if given else os.environ.get(VARIABLE) or (_read(Path(path)) if path else None) or None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{file} cannot be read: {error}") from None


def _holds_password(url: str) -> bool:
    from smart_cron.config import masked_url

    return masked_url(url) != url


def _undo(session: Session, url: str | None, *, force: bool, dry_run: bool) -> None:
    from smart_cron.moving import take_back
    from smart_cron.moving.safety import moved_hold
    from smart_cron.moving.undoing import refuse_used

    with session.house() as house:
        if dry_run:
            hold = moved_hold(house)
            if hold is not None and not force:
                refuse_used(house, hold, url)
            click.echo(
                "Nothing holds this database back." if hold is None else f"Would let starts go on ({hold.reason})."
            )
            return
        hold = take_back(house, actor=session.actor, url=url, force=force)
    click.echo(
        printable(f"Starts go on here, which were held since {hold.reason}. Let no master work with the other one.")
    )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Tell]:
    """Show how far a table is, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shape = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*shape, console=Console(stderr=True, markup=False), transient=True) as bar:
        shown: dict[str, Any] = {}

        def tell(progress: MoveProgress) -> None:
            name = f"{progress.step} {progress.table}"
            if name not in shown:
                for task in shown.values():
                    bar.remove_task(task)
                shown.clear()
                shown[name] = bar.add_task(name, total=1.0, rows=0)
            bar.update(shown[name], completed=progress.share, rows=progress.rows)

        yield tell


def _print(moved: Moved, config: Config, url: str, *, seconds: float, is_switched: bool, dry_run: bool) -> None:
    from smart_cron.config import masked_url
    from smart_cron.moving import settings_line

    show_table(COLUMNS, [[table.table, str(table.rows), table.checksum[:16]] for table in moved.tables], empty="")
    for sentence in _told(moved):
        click.echo(printable(sentence))
    shown = masked_url(url)
    if dry_run:
        click.echo(printable(f"Would move {counted(moved.rows, 'row')} to {shown}; nothing was done."))
        return
    if moved.was_done:
        click.echo(printable(f"Everything was moved to {shown} already."))
    else:
        click.echo(
            printable(f"Moved {counted(moved.rows, 'row')} to {shown} in {seconds:.1f} s; both sides are the same.")
        )
    if is_switched:
        click.echo(f"{config.file} names the new database. Start the master again.")
    else:
        click.echo(printable(f"Now set, then start the master again: {settings_line(config, url)}"))


def _told(moved: Moved) -> Iterator[str]:
    for value in moved.invalid:
        yield f"Not as it was: {value}."
    if moved.invalid_count > len(moved.invalid):
        yield f"Not as they were: {moved.invalid_count - len(moved.invalid)} more values."
    if moved.left_behind:
        yield f"Columns of your own stay behind: {', '.join(moved.left_behind)}."
    if moved.situation.others:
        yield f"Other nodes of this database need the new URL, too: {', '.join(moved.situation.others)}."
    if moved.situation.running_here:
        yield f"{counted(moved.situation.running_here, 'run')} of this node will be recorded in the new database."
    yield from moved.missing


def _print_json(moved: Moved, config: Config, url: str, *, seconds: float, is_switched: bool, dry_run: bool) -> None:
    from smart_cron.config import masked_url
    from smart_cron.moving import settings_line

    print_json(
        {
            "from": masked_url(config.database_url),
            "to": masked_url(url),
            "done": not dry_run,
            "rows": moved.rows,
            "seconds": round(seconds, 3),
            "tables": [
                {"table": table.table, "rows": table.rows, "checksum": table.checksum, "resumed": table.resumed}
                for table in moved.tables
            ],
            "invalid": [
                {"table": value.table, "id": value.row_id, "column": value.column, "reason": value.reason}
                for value in moved.invalid
            ],
            "invalid_count": moved.invalid_count,
            "left_behind": list(moved.left_behind),
            "other_nodes": list(moved.situation.others),
            "running_here": moved.situation.running_here,
            "switched": is_switched and not dry_run,
            "setting": None if is_switched else settings_line(config, url),
        }
    )
