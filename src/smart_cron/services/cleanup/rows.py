"""Rows: executions, what goes by its age alone, and hours that become days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from smart_cron.core.ports.cleanup import CleanupStore, Cut
from smart_cron.core.retention import OldRows, Pace, Retention, disposable
from smart_cron.core.rollup import day_of
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.report import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of a database. *now* is its own clock; *sheltered* the run ids whose files still exist on this node."""

    store: CleanupStore
    retention: Retention
    now: Callable[[], datetime]
    sheltered: Callable[[], Sequence[str]]
    sleep: Callable[[float], None]
    dry_run: bool

    def executions(self, tell: Tell) -> Done:
        """Delete executions that ended long ago, but of each task its newest."""
        if self.retention.executions is None:
            return Done()
        before = self.now() - self.retention.executions
        cuts = _Cuts(self, tell)
        spared = self._spared()
        for ids in self._disposable(before):
            wanted = [number for number in ids if number not in spared]
            if self.dry_run:
                cuts.count(len(wanted))
                continue
            while wanted:
                part, wanted = wanted[: cuts.pace.rows], wanted[cuts.pace.rows :]
                cuts.add(self.store.delete_runs(part, before=before))
        return cuts.done

    def _disposable(self, before: datetime) -> Iterator[list[int]]:
        # What a task keeps only moves up as it runs: a floor that was read once errs on the side of keeping.
        floors: dict[int, int] = {}
        for portion in self.store.old_runs(before=before):
            unknown = sorted({run.task_id for run in portion} - floors.keys())
            found = self.store.floors(unknown, keep=self.retention.keep_runs)
            floors.update({task_id: found.get(task_id, 0) for task_id in unknown})
            yield disposable(portion, floors)

    def _spared(self) -> frozenset[int]:
        """Return the executions of which this node still has a run file: they are not settled for good."""
        run_ids = list(self.sheltered())
        known = (self.store.known_runs(run_ids[at : at + 500]) for at in range(0, len(run_ids), 500))
        return frozenset(run.id for part in known for run in part.values())

    def of_kind(self, kind: OldRows, tell: Tell) -> Done:
        """Delete the rows of a kind that are older than they are kept."""
        age = self.retention.rows[kind]
        if age is None:
            return Done()
        before = self.now() - age
        cuts = _Cuts(self, tell)
        if self.dry_run:
            cuts.count(self.store.count_old(kind, before=before))
            return cuts.done
        while (cut := self.store.delete_old(kind, before=before, limit=cuts.pace.rows)).looked_at:
            cuts.add(cut)
        return cuts.done

    def hours(self, tell: Tell) -> Done:
        """Make days of the hours of metrics that are older than hours are kept, whole days only."""
        age = self.retention.rows[OldRows.HOURLY_METRICS]
        if age is None:
            return Done()
        before = day_of(self.now() - age)
        cuts = _Cuts(self, tell)
        if self.dry_run:
            cuts.count(self.store.count_old(OldRows.HOURLY_METRICS, before=before))
            return cuts.done
        for task_id in self.store.tasks_with_hours(before=before):
            while (cut := self.store.roll_up(task_id, before=before, limit=cuts.pace.rows)).looked_at:
                cuts.add(cut)
        return cuts.done


@dataclass
class _Cuts:
    """The transactions of one step, and the pace at which the next ones follow."""

    rows: Rows
    tell: Tell
    total: int = 0
    longest: timedelta = timedelta()
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        store = self.rows.store
        self.pace = Pace(limit=store.lock_limit, least_pause=store.least_pause)

    def add(self, cut: Cut) -> None:
        """Count a transaction, and let others in."""
        self.longest = max(self.longest, cut.held)
        self.pace = self.pace.after(rows=cut.looked_at, held=cut.held, worked=cut.worked)
        self.count(cut.rows)
        self.rows.sleep(self.pace.pause.total_seconds())

    def count(self, rows: int) -> None:
        """Count rows that went, or would."""
        self.total += rows
        self.tell(self.total)

    @property
    def done(self) -> Done:
        """What the step did so far."""
        return Done(count=self.total, longest_lock=self.longest)
