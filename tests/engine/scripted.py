"""The engine on a bench: real SQLite tables, a clock moved by hand, and a task runner that only pretends.

No process is started and nothing waits, so that outages, lost replies and clocks that jump take no time. The launcher
keeps the promises of the task runner: a run id starts at most once and never past its deadline, what ended can be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.emptying import empty

from smart_cron.core.errors import DatabaseConflictError, DatabaseUnavailableError, TaskRunnerError
from smart_cron.core.node import NodeIdentity
from smart_cron.core.ports.alerts import SilentBell
from smart_cron.core.run import Claim, EndCause, HeldRun, RunEnd, Settlement
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.engine.cycle import Cycle, Stores
from smart_cron.engine.master import Master
from smart_cron.engine.membership import BeatMemory, Membership, Surroundings
from smart_cron.engine.settings import EngineSettings
from smart_cron.store.gateway import Store, open_store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TABLES = ("executions", "skipped_slots", "alerts", "audit_log", "tasks_config", "task_revisions", "nodes", "holds")
SETTINGS = EngineSettings(node="one", incarnation="boot:state", default_zone="UTC", output_root=Path("/nowhere"))


@dataclass
class ManualClock:
    """Both clocks, moved together by `advance`; `step` moves the wall clock alone."""

    wall: datetime = NOON
    ticks: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def boottime(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.ticks += seconds

    def step(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


@dataclass
class RecordingLog:
    """Keeps events as (level, sentence, fields)."""

    events: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def debug(self, event: str, **fields: object) -> None:
        self.events.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.events.append(("error", event, fields))

    def critical(self, event: str, **fields: object) -> None:
        self.events.append(("critical", event, fields))

    def flush(self) -> None:
        return

    def count(self, event: str) -> int:
        return sum(said == event for _, said, _ in self.events)

    def levels(self, event: str) -> list[str]:
        return [level for level, said, _ in self.events if said == event]


class ScriptedLauncher:
    """A task runner in memory. Tests end runs, lose supervisors, or have the runner itself fail."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.launched: list[Claim] = []
        self.living: dict[str, Claim] = {}
        self.files: dict[str, RunEnd | None] = {}
        self.cancelled: list[str] = []
        self.forced: list[str] = []
        self.discarded: list[str] = []
        self.failures: dict[str, int] = {}
        self._starts: list[tuple[str, int, datetime]] = []
        self._ends: list[RunEnd] = []

    def fail(self, call: str, times: int = 1) -> None:
        """Have the next so many calls of this name find no task runner."""
        self.failures[call] = times

    def _stumble(self, call: str) -> None:
        if self.failures.get(call, 0):
            self.failures[call] -= 1
            raise TaskRunnerError(f"the task runner went away ({call})")

    # What the engine calls ---------------------------------------------------------------------------------

    def ensure(self) -> None:
        self._stumble("ensure")

    def launch(self, claims: Sequence[Claim]) -> None:
        self._stumble("launch")
        for claim in claims:
            self._launch(claim)

    def _launch(self, claim: Claim) -> None:
        if claim.run_id in self.files:
            return  # Taken: the file tells the rest.
        if self._clock.boottime() > claim.launch_deadline:
            self._ends.append(self._end(claim.run_id, claim.execution_id, EndCause.NEVER_STARTED))
            return
        self.launched.append(claim)
        self.living[claim.run_id] = claim
        self.files[claim.run_id] = None
        self._starts.append((claim.run_id, claim.execution_id, self._clock.now()))

    def cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)
        if run_id in self.living:
            self.end(run_id, cause=EndCause.KILLED, exit_code=None, term_signal=15)

    def poll(self, *, timeout: float) -> tuple[list[tuple[str, int, datetime]], list[RunEnd]]:
        self._stumble("poll")
        if not self._starts and not self._ends:
            self._clock.advance(timeout)
        starts, ends, self._starts, self._ends = self._starts, self._ends, [], []
        return starts, ends

    def running(self) -> set[str]:
        self._stumble("running")
        return set(self.living)

    def has_begun(self, run_id: str) -> bool:
        return run_id in self.files

    def end_by_force(self, run_id: str) -> None:
        self.forced.append(run_id)
        self.living.pop(run_id, None)

    def is_alive(self, run_id: str) -> bool:
        return run_id in self.living

    def read_end(self, run_id: str) -> RunEnd | None:
        return self.files.get(run_id)

    def settle_absent(self, run: HeldRun) -> RunEnd | None:
        if run.run_id in self.living:
            return None
        was_there = run.run_id in self.files
        cause = EndCause.LOST if was_there or run.incarnation != SETTINGS.incarnation else EndCause.NEVER_STARTED
        end = self.files.get(run.run_id) or self._end(run.run_id, run.execution_id, cause)
        self.files[run.run_id] = end
        return end

    def discard(self, run_ids: Sequence[str]) -> None:
        self._stumble("discard")
        self.discarded += run_ids

    def ended(self) -> Iterator[RunEnd]:
        return iter([end for end in self.files.values() if end is not None])

    def abandoned(self) -> Iterator[RunEnd]:
        return iter(())

    # What tests call ---------------------------------------------------------------------------------------

    def end(self, run_id: str, *, cause: EndCause = EndCause.EXITED, **changes: Any) -> RunEnd:
        """End a living run: its file says so, and the news is on its way."""
        claim = self.living.pop(run_id)
        known: dict[str, Any] = {"started_at": claim.claimed_at, "duration": 1.0, "exit_code": 0}
        end = self._end(run_id, claim.execution_id, cause, **(known | changes))
        self.files[run_id] = end
        self._ends.append(end)
        return end

    def end_all(self, **changes: Any) -> None:
        for run_id in list(self.living):
            self.end(run_id, **changes)

    def lose(self, run_id: str) -> None:
        """Kill a supervisor: its file says that it started, and nobody tells."""
        del self.living[run_id]

    def forget_news(self) -> None:
        """What was told to a master that is gone is told to nobody again."""
        self._starts, self._ends = [], []

    @property
    def has_news(self) -> bool:
        return bool(self._starts or self._ends)

    def tell_again(self, end: RunEnd) -> None:
        self._ends.append(end)

    def _end(self, run_id: str, execution_id: int, cause: EndCause, **known: Any) -> RunEnd:
        return RunEnd(run_id=run_id, execution_id=execution_id, cause=cause, completed_at=self._clock.now(), **known)


class Fragile:
    """The database port, failing as told: `conflict`, `gone`, or `reply lost` after a commit that went through."""

    def __init__(self, store: Store) -> None:
        self._database, self._records = store.database, store.records
        self.troubles: list[str] = []
        self.settled: list[Settlement] = []
        self._pending: list[Settlement] = []

    def written_elsewhere(self) -> bool:
        """A person's changes come over the same connection here."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        trouble = self.troubles.pop(0) if self.troubles else ""
        self._pending = []
        with self._database.transaction():
            yield
            if trouble == "conflict":
                raise DatabaseConflictError("another transaction went first.")
            if trouble == "gone":
                raise DatabaseUnavailableError("the server went away.")
        self.settled += self._pending
        if trouble == "reply lost":
            raise DatabaseUnavailableError("the server went away.")

    def note(self, settlements: Sequence[Settlement]) -> None:
        self._pending += sorted(settlements, key=lambda each: each.end.completed_at)


class WatchedRecords:
    """The record port, telling what was settled once it is committed."""

    def __init__(self, store: Store, database: Fragile) -> None:
        self._records, self._database = store.records, database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)

    def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        self._records.settle(settlements, now=now)
        self._database.note(settlements)


class BeatsInMemory(BeatMemory):
    """What the state directory remembers of the node's heartbeats."""

    def __init__(self) -> None:
        self.beats = 0

    def read(self) -> int:
        return self.beats

    def write(self, beats: int) -> None:
        self.beats = beats


class Bench:
    """One node: a cycle or a master over real tables."""

    def __init__(self, store: Store, **settings: Any) -> None:
        self.store = store
        self.clock = ManualClock()
        self.launcher = ScriptedLauncher(self.clock)
        self.log = RecordingLog()
        self.settings = replace(SETTINGS, **settings)
        self.database = Fragile(store)
        self.memory = BeatsInMemory()
        self.reread: Any = lambda: self.settings
        self.cycle = self.new_cycle()

    @property
    def stores(self) -> Stores:
        return Stores(
            database=self.database,
            plans=self.store.plans,
            claims=self.store.claims,
            records=WatchedRecords(self.store, self.database),  # type: ignore[arg-type]
            nodes=self.store.nodes,
            incidents=self.store.incidents,
        )

    def new_cycle(self) -> Cycle:
        """A master that has just started: it knows nothing of what the last one heard."""
        self.launcher.forget_news()
        self.cycle = Cycle(
            stores=self.stores,
            launcher=self.launcher,
            clock=self.clock,
            log=self.log,
            settings=self.settings,
            jitter=lambda: 0.0,
            bell=SilentBell(),
        )
        return self.cycle

    def master(self) -> Master:
        """A master whose clock moves as it waits."""
        return Master(
            stores=self.stores,
            launcher=self.launcher,
            clock=self.clock,
            log=self.log,
            settings=self.settings,
            membership=self.membership(),
            booted_at=NOON - timedelta(days=1),
            jitter=lambda: 0.0,
            reread=self._reread,
        )

    def membership(self) -> Membership:
        node = NodeIdentity(
            name=self.settings.node,
            identity="state",
            boot_id="boot",
            host="here",
            version="test",
            master_pid=1,
            max_concurrent=self.settings.max_concurrent,
            tags=self.settings.node_tags,
        )
        surroundings = Surroundings(
            database=self.database,  # type: ignore[arg-type]
            nodes=self.store.nodes,
            holds=self.store.holds,
            records=self.stores.records,
            log=self.log,
            jitter=lambda: 0.0,
        )
        return Membership(
            node=node, memory=self.memory, surroundings=surroundings, clock=self.clock, settings=self.settings
        )

    def _reread(self) -> EngineSettings:
        settings: EngineSettings = self.reread()
        return settings

    def add(self, name: str = "report", **changes: Any) -> Task:
        definition = TaskDefinition(name=name, shell_command="true", schedule="* * * * *", time_zone="UTC")
        return self.store.tasks.add(replace(definition, **changes), actor="test")

    def add_planned(self, *names: str, **changes: Any) -> list[Task]:
        """Add tasks and have them seen, so that their slots count from now."""
        tasks = [self.add(name, **changes) for name in names]
        self.turn()
        return tasks

    def ask(self, task: Task) -> int:
        return self.store.tasks.request_run(task.id, arguments=None, actor="test", now=self.clock.now())

    def turn(self) -> None:
        """Hear, then look, record, plan, claim and launch, as often as there is more to do at once."""
        self.cycle.hear(timeout=0)
        self.cycle.act(look=True)
        while self.cycle.ripe_at <= self.clock.boottime() or (
            self.cycle.next_due_at is not None and self.cycle.next_due_at <= self.clock.now()
        ):
            self.cycle.hear(timeout=0)
            self.cycle.act(look=True)
        if self.launcher.has_news:
            self.cycle.hear(timeout=0)
            self.cycle.act(look=False)

    def sql(self, text: str, *values: object) -> None:
        self.store.session.execute(text, values)

    def rows(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        return self.store.session.rows(text, values)

    def statuses(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT status FROM smart_cron_executions ORDER BY id")]

    def gaps(self) -> list[tuple[str, int]]:
        return [tuple(row) for row in self.rows("SELECT outcome, slot_count FROM smart_cron_skipped_slots ORDER BY id")]

    def task(self, name: str = "report") -> Task:
        return self.store.tasks.get(name)


def open_bench_store(folder: Path, alias: str) -> Store:
    """Return a migrated store; `emptied` before each use."""
    store = open_store(f"sqlite://{folder / 'bench.db'}", alias=alias, timeout_seconds=5)
    store.database.migrate()
    return store


def emptied(store: Store) -> Store:
    empty(store.session, [f"smart_cron_{table}" for table in TABLES])
    return store
