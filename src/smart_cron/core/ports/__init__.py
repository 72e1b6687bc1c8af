"""What the engine and the services ask of the rooms below them. No port has more than ten methods.

Every write of the three hot ports belongs inside `Database.transaction()`; planning, claiming and recording may
share one. Rows that a `lock_*` method returns stay locked until that transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from smart_cron.core.held import HeldRange
from smart_cron.core.ledger import LedgerRange, LedgerRun, LedgerTask
from smart_cron.core.node import Hold, NodeIdentity, NodeRecord
from smart_cron.core.restored import FoundRun
from smart_cron.core.run import (
    Claim,
    DueTask,
    ErrorType,
    HeldRun,
    OpenRun,
    RunEnd,
    Settlement,
    SlotPlan,
    SlotRange,
    Status,
    WaitingRun,
)
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.task_past import Change, Marks


class Clock(Protocol):
    """Time, handed in so that tests step it by hand."""

    def now(self) -> datetime:
        """Return the wall clock's instant, aware, in UTC, with microseconds."""

    def boottime(self) -> float:
        """Return seconds on a clock that never steps and counts sleep (CLOCK_BOOTTIME)."""


class Log(Protocol):
    """Where events go: a fixed sentence and its facts as fields."""

    def debug(self, event: str, **fields: object) -> None: ...

    def info(self, event: str, **fields: object) -> None: ...

    def warning(self, event: str, **fields: object) -> None: ...

    def error(self, event: str, **fields: object) -> None: ...

    def critical(self, event: str, **fields: object) -> None: ...

    def flush(self) -> None:
        """Write what is still buffered."""


class Database(Protocol):
    """The connection and what is true of the database as a whole."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open one transaction (BEGIN IMMEDIATE on SQLite, READ COMMITTED on servers).

        Raises DatabaseUnavailableError when the server is gone (the connection is dropped, so that the next call
        reconnects), DatabaseConflictError on deadlock, lock wait or serialisation failure.
        """

    def now(self) -> datetime:
        """Return the database's own clock."""

    def written_elsewhere(self) -> bool:
        """Say whether another connection may have written since this thread's last call; if nobody can tell, yes."""

    def check(self) -> None:
        """Raise SchemaError or DatabaseUnavailableError unless server version and schema fit this code."""

    def migrate(self) -> list[str]:
        """Bring the schema up to date and return the names of the migrations applied."""

    def close(self) -> None:
        """Close the connection; the next use opens another."""


class PlanStore(Protocol):
    """Slots that come due."""

    def next_due_at(self) -> datetime | None:
        """Return the earliest `next_run_at` of an enabled, valid task, or when a delayed retry is due before it."""

    def lock_due(self, *, now: datetime, limit: int, since: datetime | None = None) -> list[DueTask]:
        """Lock and return enabled, valid tasks with `next_run_at` <= now, earliest first, skipping locked ones.

        None whose next slot is before *since*.
        """

    def lock_changed(self, *, limit: int) -> list[DueTask]:
        """Lock and return tasks whose row differs from what was last planned: new, edited or hand-set ones."""

    def has_outcome(self, slots: Sequence[tuple[int, datetime]]) -> set[tuple[int, datetime]]:
        """Return those (task id, slot) that have an execution already or lie in a range that did not run."""

    def started_among(self, spans: Sequence[tuple[int, datetime, datetime]]) -> set[tuple[int, datetime]]:
        """Return the (task id, slot) of executions in these spans (task id, after, until), the latter included."""

    def save_plans(self, plans: Sequence[SlotPlan], *, now: datetime) -> int:
        """Write executions, ranges, cancellations and the tasks' new marks; return how many executions were new.

        A slot that has an execution already is left as it is.
        """

    def forget_default_zone(self, zone: str) -> None:
        """Make tasks without a zone of their own count as changed where they were planned with another zone."""

    def forget_future(self, *, now: datetime, beyond: datetime) -> int:
        """After the wall clock was set back to *now*: what was planned of later than *beyond* is planned anew.

        Tasks accounted for beyond it count as changed, and a retry made beyond it waits its delay from now. Return how
        many tasks there were.
        """

    def lock_reboot(self, *, slot: datetime) -> list[DueTask]:
        """Lock and return enabled `@reboot` tasks that have no execution for this boot's *slot* yet."""

    def release_delayed(self, *, now: datetime) -> int:
        """Turn retries whose time has come into waiting ones, or queued where their task is busy."""


class ClaimStore(Protocol):
    """Permission to start."""

    def lock_waiting(
        self, *, limit: int, only: int | None = None, tags: Sequence[str] = (), catch_ups: int | None = None
    ) -> list[WaitingRun]:
        """Lock and return waiting executions by priority, then due time, then id, skipping locked ones.

        With *only*, nothing but the execution of that id. Those bound to a tag only where it is among *tags*, and at
        most *catch_ups* (None: any number) that make up for old slots. Nothing while a hold stands.
        """

    def any_catch_up(self) -> bool:
        """Whether an old slot waits to be made up for."""

    def lock_total(self) -> int:
        """Keep other nodes from claiming until the transaction ends; return how many runs all nodes hold."""

    def any_behind_others(self) -> bool:
        """Say whether some execution waits for the end of another one: queued behind its task's, or for its group."""

    def group_usage(self, groups: Sequence[str]) -> Mapping[str, int]:
        """Return how many claimed or running executions each of these groups has."""

    def claim(
        self,
        runs: Sequence[tuple[int, str]],
        *,
        node: str,
        incarnation: str,
        launch_deadline: float,
        now: datetime,
    ) -> list[Claim]:
        """Give these (execution id, new run id) to the node, in the given order, and mark their tasks running."""

    def reclaim(self, keys: Sequence[tuple[int, str]]) -> list[Claim]:
        """Return the claims of these (execution id, run id) that are still `claimed`, as they were given."""

    def block(self, execution_ids: Sequence[int]) -> None:
        """Set these aside until a run of their group ends."""

    def expire(self, execution_ids: Sequence[int], *, reason: str, now: datetime) -> None:
        """Settle these as missed without ever having started."""

    def cancellations(self, *, node: str) -> list[tuple[str, ErrorType]]:
        """Return (run id, reason) of this node's held runs that somebody asked to end."""


class RecordStore(Protocol):
    """What became of claims."""

    def mark_running(self, runs: Sequence[tuple[int, str, datetime]]) -> None:
        """Note that these (execution id, run id, started at) run; final rows stay as they are."""

    def lock_open(self, keys: Sequence[tuple[int, str]]) -> list[OpenRun]:
        """Lock the executions with these (id, run id) that are not final yet, in id order, and their tasks."""

    def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> None:
        """Write outcomes, totals, retries and alerts, and let what waited behind these runs go on."""

    def held(self, *, node: str) -> list[HeldRun]:
        """Return the node's executions that are claimed or running."""

    def move_claims(self, *, node: str, incarnation: str) -> int:
        """Give what the node has claimed and not started yet to another incarnation of it; return how many changed."""

    def final_among(self, keys: Sequence[tuple[int, str]]) -> set[str]:
        """Return the run ids among these (execution id, run id) whose rows are final or gone."""

    def heal_projections(self) -> int:
        """Make `is_running` say what the executions say; return how many tasks were wrong."""


class TaskStore(Protocol):
    """Tasks as people see them. Every change writes an audit row for `actor`."""

    def list(self, *, enabled: bool | None = None, group: str | None = None) -> list[Task]: ...

    def get(self, name_or_id: str | int) -> Task:
        """Return the task of a name, or else of a number; an int is a number alone. Raise UnknownTaskError."""

    def add(self, definition: TaskDefinition, *, actor: str) -> Task:
        """Raise TaskExistsError when the name is taken."""

    def replace(
        self,
        task_id: int,
        definition: TaskDefinition,
        *,
        actor: str,
        revision: int | None = None,
        read: int | None = None,
    ) -> Task:
        """Give the task this definition in place of its own; *revision* is the one that it comes from, if any.

        *read* is the revision that stood when the definition was made (0: none yet): raise TaskChangedError where
        another one stands by now.
        """

    def set_enabled(self, task_id: int, enabled: bool, *, actor: str) -> None: ...

    def remove(self, task_id: int, *, actor: str, now: datetime) -> None:
        """Delete the task; its history stays, and slots that came due by *now* and were not planned are missed."""

    def set_next_run(self, task_id: int, at: datetime, *, actor: str) -> None:
        """Set `next_run_at` by hand: it is the next slot, and the pattern goes on after it."""

    def request_run(
        self, task_id: int, *, arguments: Sequence[str] | None, actor: str, now: datetime, retry_of: int | None = None
    ) -> int:
        """Insert a manual waiting execution and return its id. Raise TaskBusyError where the overlap policy says so."""

    def due(self, *, now: datetime, limit: int) -> Sequence[Task]:
        """Return enabled tasks whose next slot has come, by priority; nothing is locked or claimed."""


class HistoryStore(Protocol):
    """Reading executions. Rows come as plain dictionaries keyed by column name, instants aware and in UTC."""

    def runs(
        self,
        *,
        task_id: int | None = None,
        statuses: Sequence[Status] | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return executions, newest first, without their output columns; page on with `before_id`."""

    def run(self, run: str) -> dict[str, Any]:
        """Return one execution by its number or run id. Raise UnknownRunError where there is none."""

    def request_cancel(
        self, execution_id: int, *, reason: ErrorType, actor: str, now: datetime, note: str = ""
    ) -> bool:
        """Ask for the end of a run; one that has not started is settled as killed at once. False if it is final.

        *note* is what the actor says to it.
        """

    def not_run(self, *, task_id: int, limit: int = 50) -> list[SlotRange]: ...

    def since(self, *, after_id: int, limit: int) -> Iterator[dict[str, Any]]: ...


class NodeStore(Protocol):
    """Who takes part. Times are the database's own clock."""

    def register(self, node: NodeIdentity, *, beaten: int, silence: timedelta) -> int:
        """Enter the node, or find it again; return the number of its heartbeats.

        *beaten* is the number that its state directory remembers. Raise NodeNameTakenError where another state
        directory has this name and lives or holds runs, RestoredDatabaseError where the database remembers less.
        """

    def beat(self, node: NodeIdentity, *, beaten: int, silence: timedelta) -> int:
        """Say that the node lives; return the new number of its heartbeats. Raises as `register` does."""

    def retire(self, node: NodeIdentity) -> None:
        """Say that the node ends in order: it is absent from now on, not silent."""

    def nodes(self) -> Sequence[NodeRecord]:
        """Return every node that was ever here, by name, with the number of runs that it holds."""

    def mark_unreachable(self, names: Sequence[str]) -> int:
        """Show what these silent nodes hold as unreachable; return how many runs changed."""

    def mark_reachable(self, name: str) -> int:
        """Show what this node holds as what it is again; return how many runs changed."""

    def note_settled_by(self, execution_ids: Sequence[int], by: str) -> None:
        """Note who settled these as lost in place of their own node."""

    def reopen_lost(self, keys: Sequence[tuple[int, str]]) -> set[str]:
        """Open again those (execution id, run id) that others settled as lost: their own node knows how they ended.

        Totals forget what was guessed. Return their run ids; they are to be settled in the same transaction.
        """

    def forget(self, name: str, *, actor: str) -> None:
        """Strike a node out; its runs must be settled first. Raise UnknownNodeError where there is none."""


class HoldStore(Protocol):
    """What is held back everywhere. Changes write an audit row for `actor`."""

    def holds(self) -> Sequence[Hold]:
        """Return the holds that stand, oldest first."""

    def hold(self, kind: str, *, reason: str, actor: str) -> bool:
        """Start nothing from now on; False where a hold of this kind stands already."""

    def release(self, kind: str, *, actor: str) -> bool:
        """Let starts go on as far as this hold goes; False where none of this kind stands."""


class HeldStore(Protocol):
    """Slots that wait for a person. Changes write an audit row for `actor`."""

    def held(self, task_id: int | None = None) -> Sequence[HeldRange]:
        """Return the ranges of held slots, of one task or of all, oldest first."""

    def slots(self, task_id: int) -> Sequence[datetime]:
        """Return every held slot of a task, range by range."""

    def run(self, task_id: int, slots: AbstractSet[datetime], *, actor: str, now: datetime) -> int:
        """Turn these held slots into executions, oldest first; return how many were held."""

    def drop(self, task_id: int, slots: AbstractSet[datetime], *, actor: str, now: datetime) -> int:
        """Record these held slots as skipped for good; return how many were held."""


class RestoredStore(Protocol):
    """A database that came from a backup: what happened since is entered, and nothing of the past starts."""

    def unknown(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of these run ids of which the database knows nothing."""

    def enter(self, runs: Sequence[FoundRun], *, node: str) -> dict[str, int]:
        """Enter these as running on *node*, in the caller's transaction; return the number of each by its run id.

        It is the run's own one, unless another run is held under it by now. A slot that was recorded as not run is
        taken out of its range.
        """

    def see_all_anew(self) -> None:
        """Let every task count as changed, so that `PlanStore.lock_changed` returns it."""

    def unseen(self) -> int:
        """Return how many tasks count as changed."""

    def miss_pending(self, *, until: datetime, asked_since: datetime | None, reason: str, now: datetime) -> int:
        """Record what was due at *until* and has not been claimed as missed; return how many there were.

        Runs that a person asked for after *asked_since* stay.
        """

    def skip_numbers(self, count: int) -> None:
        """Leave out so many numbers of executions: other nodes may have given them to runs since the backup."""

    def remember_beats(self, node: NodeIdentity, beats: int) -> None:
        """Let the node's row count at least so many heartbeats; enter one that stopped where there is none."""


class IncidentStore(Protocol):
    """Alerts that stand for a state, which are over when it is."""

    def resolve_recovered(self) -> list[str]:
        """Resolve open `consecutive_failures` of tasks whose count is 0; return their names."""

    def failing(self) -> int:
        """Return how many tasks failed the last time or more often in a row."""

    def reset_failures(self, *, actor: str) -> int:
        """Set `consecutive_failures` to 0, with an audit row each, and resolve what stood for it; return how many."""


class Launcher(Protocol):
    """The task runner of this node, as the engine sees it."""

    def launch(self, claims: Sequence[Claim]) -> None:
        """Hand these to the task runner; what it refuses comes back by `poll`."""

    def cancel(self, run_id: str) -> None:
        """End a run's whole tree, wherever its supervisor is."""

    def poll(self, *, timeout: float) -> tuple[list[tuple[str, int, datetime]], list[RunEnd]]:
        """Wait at most `timeout` seconds for news: (run id, execution id, started at) of starts, and ends."""

    def is_alive(self, run_id: str) -> bool:
        """Say whether a supervisor holds this run's file."""

    def has_begun(self, run_id: str) -> bool:
        """Say whether the run's file tells of a start, so that there cannot be another one."""

    def end_by_force(self, run_id: str) -> None:
        """Kill a run's supervisor and its processes, where neither it nor the task runner does."""

    def read_end(self, run_id: str) -> RunEnd | None:
        """Return the end that the run's file holds, or None."""

    def settle_absent(self, run: HeldRun) -> RunEnd | None:
        """Take the run's file so that nobody can start it any more, and return what is then true of it.

        None where a supervisor holds it after all.
        """

    def discard(self, run_ids: Sequence[str]) -> None:
        """Forget files of runs whose rows are final and whose launch deadlines have passed."""

    def ended(self) -> Iterator[RunEnd]:
        """Yield the ends that the run files of this node hold, read one by one.

        A run without a supervisor is over: what is left of it is killed, and its end is `lost`.
        """

    def abandoned(self) -> Iterator[RunEnd]:
        """Yield the ends of those alone that have no supervisor and no end, as `ended` makes them."""


class LedgerStore(Protocol):
    """What became of slots, at any length: every iterator reads page by page and holds no transaction."""

    def tasks(self) -> list[LedgerTask]:
        """Return every task that there is or of which history is kept, by name, then number."""

    def runs(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRun]:
        """Yield the executions of slots with since <= slot < until, by slot, then attempt."""

    def runs_by_hand(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRun]:
        """Yield the runs without a slot that were made in since <= instant < until, oldest first."""

    def started_slots(self, task_id: int, *, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the slots in [first, last] that have an execution, in order."""

    def ranges(self, task_id: int, *, since: datetime | None, until: datetime | None) -> Iterator[LedgerRange]:
        """Yield the ranges of slots that did not run which reach into since <= slot < until, in order."""

    def last_slot(self, task_id: int, *, until: datetime) -> datetime | None:
        """Return the latest slot before *until* that has an outcome, or None."""

    def changes(self, task_id: int) -> list[Change]:
        """Return who changed the definition, when and how, oldest first. What SQL changed left no trace."""

    def marks(self, task_id: int) -> Marks | None:
        """Return what planning last saw of the task, or None where it was deleted."""
