"""`smart-cron demo`: real scripts under the real master, watched. Nothing here is staged."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.core.run import PENDING_STATUSES, ErrorType, Status
from smart_cron.core.run_remains import left_behind
from smart_cron.faces.cli.demo_master import DemoMaster, environment_of
from smart_cron.faces.cli.demo_progress import Progress, progress
from smart_cron.faces.cli.demo_tasks import ACTOR, INTENTS, define, set_slots
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import span

if TYPE_CHECKING:
    from smart_cron.core.task import Task
    from smart_cron.wiring import House

MARKER = ".smart-cron-demo"
LEAD = timedelta(seconds=2)
LONGEST_SECONDS = 110
LOOK_AGAIN_SECONDS = 0.2
PAGE = 500
COLUMNS = (
    Column(title="Task"),
    Column(title="Outcome"),
    Column(title="Tries", right=True),
    Column(title="Exit", right=True),
    Column(title="Took", right=True),
    Column(title="Left behind"),
    Column(title="Output ends with", gives_way=True),
)


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("smart-cron-demo"),
    show_default=True,
    help="Folder for the demo's database, logs and files.",
)
@dry_run_option
@json_option
def demo(*, home: Path, dry_run: bool, as_json: bool) -> int:
    """Run a crontab of example scripts and show what becomes of them.

    A backup, a report, a shop's job, one that fails and is retried, one that hangs and is timed out, one that leaves
    a process behind: imported from a crontab, run by the real master on a SQLite database of their own. Takes about
    half a minute; exits with 0 where all ended as their scripts intend.
    """
    home = home.absolute()
    _require_own(home)
    if dry_run:
        click.echo(f"Would run {len(INTENTS)} example tasks in {home}: {', '.join(INTENTS)}.")
        return 0
    # A demo that is ended must end its master, as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = _run(home, quiet=as_json)
    good = all(_is_good(name, results) for name in INTENTS)
    if as_json:
        print_json({"home": home, "as_intended": good, "tasks": _documents(results)})
    else:
        _tell(home, results, good=good)
    return 0 if good else FAILED


Results = Mapping[str, Sequence[Mapping[str, Any]]]


def _require_own(home: Path) -> None:
    if home.exists() and not (home / MARKER).exists() and (not home.is_dir() or any(home.iterdir())):
        raise SmartCronError(
            f"{home} holds something else than a demo.", remedy="Name another folder with --home, or empty it."
        )


def _run(home: Path, *, quiet: bool) -> Results:
    from smart_cron.config import load_config
    from smart_cron.wiring import open_house, prepare

    environment = environment_of(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).touch()
    config = load_config(environment)
    prepare(config)
    house = open_house(config)
    try:
        if house.master_is_running():
            raise SmartCronError(
                f"a master works in {home} already.", remedy="Wait for its end, or name another --home."
            )
        return _watch(house, DemoMaster(environment, home / "master.txt"), quiet=quiet)
    finally:
        house.close()


def _watch(house: House, master: DemoMaster, *, quiet: bool) -> Results:
    """Define the tasks, start the master, and look on until each slot has its outcome."""
    newest = house.store.history.runs(limit=1)
    seen_before = int(newest[0]["id"]) if newest else 0
    tasks = define(house, house.config.home)
    with progress() as shown:
        if not quiet:
            shown.say(f"{len(tasks)} tasks imported from {house.config.home / 'crontab'}.")
        try:
            pid = master.start()
            if not quiet:
                shown.say(f"The master is process {pid}; 'kill -9 {pid}' it if you like: nothing is lost.")
            set_slots(house, tasks, first=house.clock.now() + LEAD)
            return _look_on(house, master, shown, _Scene(tasks, seen_before), quiet=quiet)
        finally:
            master.end()
            _put_away(house, tasks)


class _Scene:
    """The tasks of the demo, and from which execution on theirs are."""

    def __init__(self, tasks: Sequence[Task], seen_before: int) -> None:
        self._names = {task.name for task in tasks}
        self._seen_before = seen_before

    def attempts(self, house: House) -> Results:
        """Return the attempts of each task's first slot, oldest first."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in house.store.history.since(after_id=self._seen_before, limit=PAGE):
            name = row["task_name"]
            first = found[name][0] if name in found else row
            # Where it is just night, a pattern's own slot may come due meanwhile: it is no part of the story.
            if name in self._names and row["scheduled_for"] == first["scheduled_for"]:
                found.setdefault(name, []).append(row)
        return found


def _look_on(house: House, master: DemoMaster, shown: Progress, scene: _Scene, *, quiet: bool) -> Results:
    ends_at = time.monotonic() + LONGEST_SECONDS
    while True:
        results = scene.attempts(house)
        if not quiet:
            shown.show(results, house.clock.now())
        if all(_is_over(name, results) for name in INTENTS) or time.monotonic() > ends_at:
            return {name: _whole(house, rows) for name, rows in results.items()}
        if (death := master.death()) is not None:
            pid = master.start()
            if not quiet:
                shown.say(f"The master ended {death}; its tasks go on. It is process {pid} now.")
        time.sleep(LOOK_AGAIN_SECONDS)


def _is_over(name: str, results: Results) -> bool:
    rows = results.get(name)
    return bool(rows) and all(Status(row["status"]).is_final for row in rows or ()) and not _retry_comes(name, results)


def _retry_comes(name: str, results: Results) -> bool:
    """A retry stands in the table as soon as the failure does; this is for its row alone being read first."""
    last = results[name][-1]
    return bool(last["status"] == Status.FAILED and last["attempt"] <= INTENTS[name].max_retries)


def _whole(house: House, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [house.store.history.run(str(row["id"])) for row in rows]


def _put_away(house: House, tasks: Sequence[Task]) -> None:
    """The demo is over: a master that is started here later must not go on with it."""
    with house.store.database.transaction():
        for task in tasks:
            house.store.tasks.set_enabled(task.id, False, actor=ACTOR)
    for task in tasks:
        for row in house.store.history.runs(task_id=task.id, statuses=PENDING_STATUSES):
            house.store.history.request_cancel(
                row["id"], reason=ErrorType.CANCELLED, actor=ACTOR, now=house.clock.now()
            )


def _is_good(name: str, results: Results) -> bool:
    rows = results.get(name)
    return bool(rows) and INTENTS[name].is_met(rows or ())


def _tell(home: Path, results: Results, *, good: bool) -> None:
    click.echo()
    show_table(COLUMNS, [_row(name, results[name]) for name in INTENTS if results.get(name)], empty="Nothing ran.")
    odd = [name for name in INTENTS if not _is_good(name, results)]
    click.echo()
    click.echo("All ended as their scripts intend." if good else f"Not as intended: {', '.join(odd)}.")
    example = next((rows[0]["id"] for name, rows in results.items() if name == "invoices"), 1)
    click.echo("\nTry next:")
    for command in ("task list --verbose", f"run show {example}", "logs --level WARNING"):
        click.echo(f"  SMART_CRON_HOME={shlex.quote(str(home))} {_own_name()} {command}")


def _own_name() -> str:
    """Return how this program can be called from here: by its path, where it is not on the PATH."""
    program = Path(sys.argv[0])
    if program.name != "smart-cron" or shutil.which("smart-cron"):
        return "smart-cron"
    return os.path.relpath(program)


def _row(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Cell | str]:
    last = rows[-1]
    left = [*left_behind(last)["leftovers"], *left_behind(last)["unkillable"]]
    return [
        name,
        str(last["status"]),
        str(len(rows)),
        "–" if last["exit_code"] is None else str(last["exit_code"]),
        span(last["execution_time"]),
        ", ".join(left) + (" (ended)" if left else "") or "–",
        _last_line(last),
    ]


def _last_line(row: Mapping[str, Any]) -> str:
    text = (row["stdout_output"] or "").strip() or (row["stderr_output"] or "").strip()
    return " ".join(str(text).splitlines()[-1].split()) if text else ""


def _documents(results: Results) -> dict[str, Any]:
    return {
        name: {
            "status": rows[-1]["status"],
            "attempts": len(rows),
            "exit_code": rows[-1]["exit_code"],
            "execution_time": rows[-1]["execution_time"],
            "left_behind": left_behind(rows[-1]),
            "last_line": _last_line(rows[-1]),
            "as_intended": _is_good(name, results),
        }
        for name, rows in results.items()
    }
