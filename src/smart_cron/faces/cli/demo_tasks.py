"""What the demo runs: the example crontab, imported as `import crontab` does, and what its scripts intend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smart_cron.core.run import Status
from smart_cron.core.task import Task

if TYPE_CHECKING:
    from smart_cron.wiring import House

ACTOR = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """How a script means to end, and what an administrator sets that cron has no words for."""

    status: Status
    story: str
    attempts: int = 1
    leaves_processes: bool = False
    max_retries: int = 0
    retry_delay: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(seconds=60)

    def is_met(self, attempts: Sequence[Mapping[str, Any]]) -> bool:
        """Whether these attempts (oldest first) ended as the script intends."""
        last = attempts[-1]
        ended_so = bool(last["status"] == self.status and len(attempts) == self.attempts)
        return ended_so and bool(last["leftovers"]) >= self.leaves_processes


INTENTS = {
    "backup": Intent(status=Status.SUCCESS, story="packs files with tar"),
    "report": Intent(status=Status.SUCCESS, story="a report in Python"),
    "stock-sync": Intent(status=Status.SUCCESS, story="a shop's job"),
    "invoices": Intent(
        status=Status.SUCCESS,
        story="fails, and is retried",
        attempts=2,
        max_retries=2,
        retry_delay=timedelta(seconds=4),
    ),
    "supplier-feed": Intent(status=Status.TIMEOUT, story="hangs, and is timed out", timeout=timedelta(seconds=8)),
    "image-worker": Intent(status=Status.SUCCESS, story="leaves a process behind", leaves_processes=True),
}


def define(house: House, folder: Path) -> list[Task]:
    """Import the example crontab from *folder*, enable its tasks, and set retries and timeouts."""
    from smart_cron.faces.cli.crontab_sources import CrontabFile
    from smart_cron.faces.cli.import_crontab import read_all
    from smart_cron.faces.cli.import_saving import save

    crontab = folder / "crontab"
    examples = Path(str(files("smart_cron") / "examples"))
    (folder / "work").mkdir(exist_ok=True)
    head = f"EXAMPLES={examples}\nWORK={folder / 'work'}\n"
    crontab.write_text(head + (examples / "crontab").read_text(encoding="utf-8"), encoding="utf-8")
    imports = read_all(house, [CrontabFile(path=crontab, system=False)])
    save(house, imports, actor=ACTOR, enable=True, take_over=False)
    return [_with_intent(house, task) for task in house.store.tasks.list() if task.name in INTENTS]


def _with_intent(house: House, task: Task) -> Task:
    intent = INTENTS[task.name]
    definition = replace(
        task.definition,
        description=intent.story,
        max_retries=intent.max_retries,
        retry_delay=intent.retry_delay,
        timeout=intent.timeout,
        kill_grace=timedelta(seconds=2),
    )
    return house.store.tasks.replace(task.id, definition, actor=ACTOR)


def set_slots(house: House, tasks: Sequence[Task], *, first: datetime) -> None:
    """Give each task its next slot by hand, a second apart: their patterns would have us wait for the night."""
    for place, task in enumerate(tasks):
        house.store.tasks.set_next_run(task.id, first + timedelta(seconds=place), actor=ACTOR)
