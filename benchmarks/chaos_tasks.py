"""The tasks of a chaos run, their slots, and what they wrote about themselves."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.chaos_verdict import OwnRun, Slot, read_own
from benchmarks.databases import Connection, instant, written

MINUTE = timedelta(minutes=1)
# Slots are set by hand this far ahead.
NEAREST, FARTHEST = timedelta(milliseconds=100), timedelta(milliseconds=900)
OVERLAPS = ("skip", "skip", "skip", "queue", "replace", "allow")
MISSED = ("latest", "all", "skip", "hold")
# Every eighth task runs each minute; the others when they are told to.
MINUTE_TASK_EVERY = 8
COLUMNS = (
    "task_name", "task_script", "task_arguments", "schedule_pattern", "priority", "timeout_seconds",
    "kill_grace_seconds", "max_retries", "retry_delay_seconds", "retry_lost", "on_overlap", "on_missed",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlan:
    """One task of the run."""

    name: str
    pattern: str
    on_overlap: str
    on_missed: str
    max_retries: int
    retry_lost: bool
    priority: int

    @property
    def is_by_minute(self) -> bool:
        return self.pattern == "* * * * *"

    @property
    def mode(self) -> str:
        """The worker's: whether two of it must never live at once."""
        return "a" if self.on_overlap == "allow" else "x"


def far_pattern(now: datetime) -> str:
    """Return a pattern whose next slot is half a year away."""
    return f"0 0 1 {(now.month + 5) % 12 + 1} *"


def plan_tasks(count: int, *, seed: int, now: datetime) -> list[TaskPlan]:
    """Return so many tasks, the same ones for the same seed."""
    chance = random.Random(f"tasks {seed}")
    return [
        TaskPlan(
            name=f"chaos_{number}",
            pattern="* * * * *" if number % MINUTE_TASK_EVERY == 0 else far_pattern(now),
            on_overlap=chance.choice(OVERLAPS),
            on_missed=MISSED[number // MINUTE_TASK_EVERY % 4] if number % MINUTE_TASK_EVERY == 0 else "latest",
            max_retries=chance.choice((0, 0, 1, 2)),
            retry_lost=chance.random() < 0.25,
            priority=chance.randint(1, 10),
        )
        for number in range(1, count + 1)
    ]


def insert_tasks(connection: Connection, tasks: Iterable[TaskPlan], *, worker: Path, records: Path) -> None:
    """Write the tasks by SQL, as an administrator may."""
    rows = [
        (
            task.name, str(worker), f'["{records}", "{task.mode}"]', task.pattern, task.priority, 4, 1,
            task.max_retries, 1, int(task.retry_lost), task.on_overlap, task.on_missed,
        )
        for task in tasks
    ]  # fmt: skip
    marks = ", ".join(["%s"] * len(COLUMNS))
    connection.execute_many(f"INSERT INTO smart_cron_tasks_config ({', '.join(COLUMNS)}) VALUES ({marks})", rows)


class SlotMaker:
    """Sets slots by hand and remembers which must have an outcome.

    Only a task without a slot ahead is given one: a second would take the first one's place, which is lawful and
    would leave nothing to count. A request that failed half-way may or may not have been made.
    """

    def __init__(self, tasks: Sequence[TaskPlan], *, seed: int) -> None:
        self._names = {task.name for task in tasks if not task.is_by_minute}
        self._chance = random.Random(f"slots {seed}")
        self.owed: list[Slot] = []
        self.doubtful: list[Slot] = []

    def make(self, connection: Connection, *, most: int) -> int:
        """Give at most so many idle tasks a slot of their own; return how many. Raises the driver's errors."""
        now = datetime.now(UTC)
        idle = [
            name
            for (name,) in connection.execute(
                "SELECT task_name FROM smart_cron_tasks_config WHERE needs_planning = 0 AND next_run_at > %s",
                [written(now + timedelta(days=1))],
            )
            if name in self._names
        ]
        # In the order of their ids, as the product does: InnoDB ends one of two transactions that differ.
        chosen = sorted(self._chance.sample(sorted(idle), min(most, len(idle))), key=_number)
        wanted = [(name, self._slot(now)) for name in chosen]
        asked = [(name, stamp(at)) for name, at in wanted]
        try:
            made = self._set(connection, wanted, now)
        except BaseException:
            self.doubtful += asked
            raise
        self.owed += [slot for slot, done in zip(asked, made, strict=True) if done]
        return sum(made)

    def _slot(self, now: datetime) -> datetime:
        at = now + NEAREST + (FARTHEST - NEAREST) * self._chance.random()
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    @staticmethod
    def _set(connection: Connection, wanted: Sequence[tuple[str, datetime]], now: datetime) -> list[bool]:
        far = written(now + timedelta(days=1))
        sql = """UPDATE smart_cron_tasks_config SET next_run_at = %s
                  WHERE task_name = %s AND needs_planning = 0 AND next_run_at > %s"""
        rows = [(written(at), name, far) for name, at in wanted]
        return [count == 1 for count in connection.counted(sql, rows)]


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def minute_slots(tasks: Iterable[TaskPlan], *, since: datetime, until: datetime) -> Iterator[Slot]:
    """Yield the slots of the minute tasks with since < slot <= until."""
    for task in tasks:
        if task.is_by_minute:
            slot = since.replace(second=0, microsecond=0) + MINUTE
            while slot <= until:
                yield task.name, stamp(slot)
                slot += MINUTE


def stamp(moment: datetime) -> str:
    """Return an instant as the ledger writes it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def own_runs(records: Path) -> dict[str, OwnRun]:
    """Return what all tasks wrote, by run id."""
    runs: dict[str, OwnRun] = {}
    for path in sorted(records.glob("*.rec")):
        runs |= read_own(path.stem, path.read_text(encoding="ascii", errors="replace"))
    return runs


def accounted(connection: Connection, tasks: Iterable[TaskPlan]) -> datetime | None:
    """Return up to when all of these have been looked at; None where one was not seen yet."""
    names = {task.name for task in tasks}
    found = connection.execute("SELECT task_name, accounted_until FROM smart_cron_tasks_config")
    marks = [until for name, until in found if name in names]
    return None if None in marks else min((instant(mark) for mark in marks), default=None)
