"""Slots that come due: the port `PlanStore`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from smart_cron.core.planning import write_off
from smart_cron.core.run import DueTask, ErrorType, SlotPlan, Status
from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.store import plan_rows
from smart_cron.store.bulk import placeholders
from smart_cron.store.clock_steps import ClockSteps
from smart_cron.store.definitions import timeout_fault
from smart_cron.store.dialects import PRIMARY
from smart_cron.store.fields import policy_text
from smart_cron.store.queues import DELAYED_RANK
from smart_cron.store.releases import Releases
from smart_cron.store.revisions import Revisions
from smart_cron.store.session import Session

# Tasks and slots that are asked for together: the index is probed for each pair of them.
SLOTS_ASKED = 50
# So many delayed retries a call: a storm of them must not hold locks for seconds.
RELEASE_CHUNK = 500
DEFAULT_ZONE_MARK = "*"

_COLUMNS = (
    "id",
    "task_name",
    "schedule_pattern",
    "time_zone",
    "enabled",
    "priority",
    "on_missed",
    "on_overlap",
    "start_deadline_seconds",
    "task_group",
    "node_tag",
    "next_run_at",
    "planned_pattern",
    "planned_zone",
    "planned_enabled",
    "planned_next_run_at",
    "accounted_until",
    "timeout_seconds",
)


class Plans:
    """Reads what is due or changed, writes what planning decided."""

    def __init__(self, session: Session, releases: Releases, revisions: Revisions) -> None:
        self._session, self._releases, self._revisions = session, releases, revisions
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant
        self._steps = ClockSteps(session)
        self._save_marks = plan_rows.marks(policy_text(session.dialect.name))

    def next_due_at(self) -> datetime | None:
        """Return the earliest `next_run_at` of an enabled, valid task, or when a delayed retry is due before it."""
        slot = self._session.row(
            f"""SELECT next_run_at FROM smart_cron_tasks_config{self._index("smart_cron_tasks_due")}
             WHERE plannable = 1 AND next_run_at IS NOT NULL ORDER BY next_run_at LIMIT 1"""
        )
        retry = self._session.row(
            f"""SELECT due_at FROM smart_cron_executions{self._index("smart_cron_executions_queue")}
             WHERE queue_rank = %s ORDER BY due_at LIMIT 1""",
            [DELAYED_RANK],
        )
        found = (self._read(row[0]) for row in (slot, retry) if row)
        return min((at for at in found if at is not None), default=None)

    def lock_due(self, *, now: datetime, limit: int, since: datetime | None = None) -> list[DueTask]:
        """Lock and return enabled, valid tasks whose next slot has come, earliest first; none before *since*."""
        later, bound = ("", []) if since is None else (" AND next_run_at >= %s", [self._instant(since)])
        where = f"plannable = 1 AND next_run_at <= %s{later} ORDER BY next_run_at, id"
        due = self._lock("smart_cron_tasks_due", where, [self._instant(now), *bound], limit)
        self._notice_moved(due)
        return due

    def lock_changed(self, *, limit: int) -> list[DueTask]:
        """Lock and return tasks whose row differs from what was planned; what SQL changed of them is entered."""
        changed = self._lock("smart_cron_tasks_changed", "needs_planning = 1 ORDER BY id", [], limit)
        if changed:
            self._revisions.notice_among([task.task_id for task in changed])
            self._notice_moved(changed)
        return changed

    def _notice_moved(self, tasks: Sequence[DueTask]) -> None:
        """A next slot that is not the planned one was set by a person, and perhaps nobody was told."""
        for task in tasks:
            planned, slot = task.planned_next_run_at, task.next_run_at
            if slot is not None and planned is not None and slot != planned:
                self._revisions.notice_slot(task.task_id, task.name, planned=planned, slot=slot)

    def lock_reboot(self, *, slot: datetime) -> list[DueTask]:
        """Lock and return enabled `@reboot` tasks without an execution for this boot. They alone have no next slot.

        What was added, enabled or edited since the boot waits for the next one: its daemon may be running already.
        """
        where = """plannable = 1 AND next_run_at IS NULL AND schedule_pattern = '@reboot'
            AND updated_at <= %s AND NOT EXISTS (
            SELECT 1 FROM smart_cron_executions e
             WHERE e.task_id = smart_cron_tasks_config.id AND e.scheduled_for = %s) ORDER BY id"""
        boot = self._instant(slot)
        return self._lock("smart_cron_tasks_due", where, [boot, boot], 1_000_000)

    def _lock(self, index: str, where: str, params: list[object], limit: int) -> list[DueTask]:
        rows = self._session.wide_rows(
            _COLUMNS,
            f"""FROM smart_cron_tasks_config{self._index(index)}
             WHERE {where} LIMIT %s{self._session.dialect.lock_skipping}""",
            [*params, limit],
        )
        active = self._active([row[0] for row in rows])
        return [self._due_task(row, active.get(row[0], [])) for row in rows]

    def _active(self, task_ids: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
        active: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for task_id, execution_id, status in self._releases.in_the_way(task_ids):
            active[task_id].append((execution_id, status))
        return active

    def _due_task(self, row: Sequence[Any], active: list[tuple[int, str]]) -> DueTask:
        zone = row[13]
        return DueTask(
            task_id=row[0],
            name=row[1],
            schedule=row[2],
            time_zone=row[3],
            enabled=bool(row[4]),
            priority=row[5],
            on_missed=_word(OnMissed, row[6]),
            on_overlap=_word(OnOverlap, row[7]),
            start_deadline_seconds=row[8],
            group=row[9],
            node_tag=row[10],
            next_run_at=self._read(row[11]),
            planned_schedule=row[12],
            planned_zone=None if zone is None else zone.removeprefix(DEFAULT_ZONE_MARK),
            planned_enabled=None if row[14] is None else bool(row[14]),
            planned_next_run_at=self._read(row[15]),
            accounted_until=self._read(row[16]),
            active_execution_ids=tuple(execution_id for execution_id, _ in active),
            queued=any(status == Status.QUEUED for _, status in active),
            fault=timeout_fault(row[17]),
        )

    def has_outcome(self, slots: Sequence[tuple[int, datetime]]) -> set[tuple[int, datetime]]:
        """Return those (task id, slot) that have an execution or lie in a range. Asked of hand-set slots only."""
        found: set[tuple[int, datetime]] = set()
        for begin in range(0, len(slots), SLOTS_ASKED):
            asked = slots[begin : begin + SLOTS_ASKED]
            found |= self._started(asked) | self._in_ranges(asked)
        return found

    def _started(self, slots: Sequence[tuple[int, datetime]]) -> set[tuple[int, datetime]]:
        tasks, instants = [task_id for task_id, _ in slots], sorted({self._instant(slot) for _, slot in slots})
        rows = self._session.rows(
            f"""SELECT task_id, scheduled_for FROM smart_cron_executions
             WHERE task_id IN ({placeholders(tasks)}) AND scheduled_for IN ({placeholders(instants)})""",
            [*tasks, *instants],
        )
        ran = {(task_id, self._read(slot)) for task_id, slot in rows}
        return {asked for asked in slots if asked in ran}

    def _in_ranges(self, slots: Sequence[tuple[int, datetime]]) -> set[tuple[int, datetime]]:
        tasks, instants = [task_id for task_id, _ in slots], [slot for _, slot in slots]
        rows = self._session.rows(
            f"""SELECT task_id, first_slot, last_slot FROM smart_cron_skipped_slots
             WHERE task_id IN ({placeholders(tasks)}) AND last_slot >= %s AND first_slot <= %s""",
            [*tasks, self._instant(min(instants)), self._instant(max(instants))],
        )
        ranges = [(task_id, self._read(first), self._read(last)) for task_id, first, last in rows]
        return {
            (task_id, slot)
            for task_id, slot in slots
            for owner, first, last in ranges
            if owner == task_id and first and last and first <= slot <= last
        }

    def started_among(self, spans: Sequence[tuple[int, datetime, datetime]]) -> set[tuple[int, datetime]]:
        """Return the (task id, slot) of executions in these spans (task id, after, until)."""
        found: set[tuple[int, datetime]] = set()
        for begin in range(0, len(spans), SLOTS_ASKED):
            asked = spans[begin : begin + SLOTS_ASKED]
            each = " OR ".join(["(task_id = %s AND scheduled_for > %s AND scheduled_for <= %s)"] * len(asked))
            params = [part for task_id, *ends in asked for part in (task_id, *map(self._instant, ends))]
            rows = self._session.rows(f"SELECT task_id, scheduled_for FROM smart_cron_executions WHERE {each}", params)
            found |= {(task_id, slot) for task_id, raw in rows if (slot := self._read(raw)) is not None}
        return found

    def save_plans(self, plans: Sequence[SlotPlan], *, now: datetime) -> int:
        """Write what planning decided; return how many executions were new."""
        valid = [plan for plan in plans if not plan.invalid_reason]
        rows = [row for plan in valid for row in plan_rows.executions(plan, self._instant, now)]
        new = plan_rows.ADD_EXECUTIONS.run(self._session, rows)
        # Of an invalid row, too: what came due before it became so.
        rows = [row for plan in plans for row in plan_rows.ranges(plan, self._instant, now)]
        plan_rows.ADD_RANGES.run(self._session, rows)
        self._withdraw(valid)
        self._replace([number for plan in valid for number in plan.cancel_execution_ids], now)
        # In id order, as every batch that touches several tasks: InnoDB ends one of two that differ.
        self._save_marks.run(
            self._session, [self._mark(plan) for plan in sorted(plans, key=lambda plan: plan.task.task_id)]
        )
        return new

    def write_off(self, task_id: int, *, now: datetime, reason: str) -> None:
        """Record every slot of the task up to now that has no outcome yet as missed: it is about to be deleted."""
        for task in self._lock(PRIMARY, "id = %s", [task_id], 1):
            gaps = write_off(task, now=now, reason=reason)
            plan = SlotPlan(task=task, zone=task.planned_zone or task.time_zone or "UTC", not_run=gaps)
            plan_rows.ADD_RANGES.run(self._session, list(plan_rows.ranges(plan, self._instant, now)))

    def _mark(self, plan: SlotPlan) -> dict[str, object]:
        reason = plan.invalid_reason
        return {
            "id": plan.task.task_id,
            "zone": DEFAULT_ZONE_MARK + plan.zone,
            "next_run_at": self._instant(plan.next_run_at) if plan.next_run_at else None,
            "accounted_until": self._instant(plan.accounted_until) if plan.accounted_until else None,
            "invalid_reason": reason[:500] if reason else None,
        }

    def _withdraw(self, plans: Sequence[SlotPlan]) -> None:
        for plan in plans:
            mark, before = plan.accounted_until, plan.task.accounted_until
            if mark and before and mark < before:
                self._steps.withdraw_ranges(plan.task.task_id, mark)

    def forget_future(self, *, now: datetime, beyond: datetime) -> int:
        """After the wall clock was set back to *now*: what was planned of later than *beyond* is planned anew."""
        self._steps.hasten_retries(now=now, beyond=beyond)
        return self._steps.forget_marks(beyond)

    def _replace(self, execution_ids: Sequence[int], now: datetime) -> None:
        if execution_ids:
            self._releases.cancel(execution_ids, reason=ErrorType.REPLACED, now=now)

    def forget_default_zone(self, zone: str) -> None:
        """Take the mark off tasks that were planned with another default zone: then they count as changed."""
        self._session.execute(
            """UPDATE smart_cron_tasks_config SET planned_zone = substr(planned_zone, 2)
             WHERE time_zone IS NULL AND planned_zone <> %s AND substr(planned_zone, 1, 1) = %s""",
            [DEFAULT_ZONE_MARK + zone, DEFAULT_ZONE_MARK],
        )

    def release_delayed(self, *, now: datetime) -> int:
        """Turn retries whose time has come into waiting ones, or queued where their task is busy."""
        rows = self._session.rows(
            f"""SELECT id, task_id FROM smart_cron_executions{self._index("smart_cron_executions_queue")}
             WHERE queue_rank = %s AND due_at <= %s ORDER BY due_at, id LIMIT %s""",
            [DELAYED_RANK, self._instant(now), RELEASE_CHUNK],
        )
        return self._releases.retries(rows, now=now) if rows else 0

    def _index(self, name: str) -> str:
        return self._session.dialect.force_index(name)


def _word(words: type[Any], raw: str) -> Any:
    """Return a word of a definition; one that nobody knows as it stands, for planning to name it."""
    try:
        return words(raw)
    except ValueError:
        return cast("Any", raw)
