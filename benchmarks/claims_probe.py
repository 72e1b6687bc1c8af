"""`python -m benchmarks.claims_probe TASKS ROUNDS`: what planning, claiming and recording cost in this home.

A process of its own, since the store is set up for one database a process. The engine's own parts work on the real
store; only the task runner is left out. Prints milliseconds and rows read as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from benchmarks.row_counts import row_counter
from smart_cron.core.run import Claim, EndCause, RunEnd, Status
from smart_cron.engine.claimer import Claimer
from smart_cron.engine.planner import Planner
from smart_cron.engine.recorder import Recorder
from smart_cron.wiring import House, open_house
from smart_cron.wiring.mastering import engine_settings

# Few of many are due: as many as there are places by default.
DUE = 10
# Rounds whose rows are counted, which slows them, are not timed.
COUNTED_ROUNDS = 3
HISTORY_PAGE = 50
SEED = 20_260_101


@dataclass(slots=True)
class Costs:
    """Milliseconds of each timed transaction, rows read by each counted one."""

    claim_ms: list[float] = field(default_factory=list)
    record_ms: list[float] = field(default_factory=list)
    claim_rows: list[int] = field(default_factory=list)
    record_rows: list[int] = field(default_factory=list)
    history_ms: list[float] = field(default_factory=list)
    history_rows: list[int] = field(default_factory=list)


class Probe:
    """The engine's planner, claimer and recorder on this home's store."""

    def __init__(self, house: House, tasks: int) -> None:
        settings = engine_settings(house.config)
        self._house, self._tasks, self._random = house, tasks, random.Random(SEED)
        store, clock, log = house.store, house.clock, house.log
        self._planner = Planner(plans=store.plans, settings=settings, log=log, clock=clock)
        self._claimer = Claimer(claims=store.claims, clock=clock, settings=settings)
        self._recorder = Recorder(records=store.records, clock=clock, log=log, jitter=lambda: 0.0)

    def make_due(self) -> None:
        """Set a few tasks' next slots by hand, to a moment ago."""
        names = [f"task_{number}" for number in self._random.sample(range(1, self._tasks + 1), DUE)]
        slot = self._house.clock.now() - timedelta(seconds=1)
        with self._house.store.session.connection.cursor() as cursor:
            for name in names:
                cursor.execute(
                    "UPDATE smart_cron_tasks_config SET next_run_at = %s WHERE task_name = %s",
                    [f"{slot:%Y-%m-%d %H:%M:%S.%f}", name],
                )

    def plan_and_claim(self) -> list[Claim]:
        """Do what a turn of the master does about what is due."""
        now, plans = self._house.clock.now(), self._house.store.plans
        plans.release_delayed(now=now)
        self._planner.plan_chunk(now=now)
        plans.next_due_at()
        return self._claimer.claim(places=DUE)

    def record(self) -> None:
        """Do what a turn of the master does about runs that ended."""
        if len(self._recorder.write()) != DUE:
            raise RuntimeError("what was claimed was not open any more")

    def read_history(self) -> None:
        """Read what people look at: the latest runs, those of one task, and what failed."""
        history = self._house.store.history
        history.runs(limit=HISTORY_PAGE)
        history.runs(task_id=self._tasks // 2, limit=HISTORY_PAGE)
        history.runs(statuses=[Status.FAILED, Status.LOST], limit=HISTORY_PAGE)

    def note_ends(self, claims: list[Claim]) -> None:
        """Let all claimed runs end well."""
        now = self._house.clock.now()
        self._recorder.note((), [_good_end(claim, now) for claim in claims])

    def forget(self) -> None:
        """After the commit."""
        self._recorder.confirm()


def _good_end(claim: Claim, now: datetime) -> RunEnd:
    return RunEnd(
        run_id=claim.run_id, execution_id=claim.execution_id, cause=EndCause.EXITED,
        started_at=now, completed_at=now, duration=0.001, exit_code=0, memory_peak_bytes=1_000_000, cpu_seconds=0.001,
    )  # fmt: skip


def measure(house: House, *, tasks: int, rounds: int) -> Costs:
    """Plan, claim and record so often, and count the rows that some more rounds read."""
    probe, costs = Probe(house, tasks), Costs()
    for number in range(rounds + COUNTED_ROUNDS):
        probe.make_due()
        in_transaction = _timed if number < rounds else _counted
        claims, cost = in_transaction(house, probe.plan_and_claim)
        if len(claims) != DUE:
            raise RuntimeError(f"{DUE} tasks were due, {len(claims)} were claimed")
        probe.note_ends(claims)
        _, record_cost = in_transaction(house, probe.record)
        probe.forget()
        _, history_cost = in_transaction(house, probe.read_history)
        if number < rounds:
            costs.claim_ms.append(cost)
            costs.record_ms.append(record_cost)
            costs.history_ms.append(history_cost)
        else:
            costs.claim_rows.append(int(cost))
            costs.record_rows.append(int(record_cost))
            costs.history_rows.append(int(history_cost))
    return costs


def _timed(house: House, work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    with house.store.database.transaction():
        result = work()
    return result, (time.perf_counter() - began) * 1000


def _counted(house: House, work: Callable[[], Any]) -> tuple[Any, float]:
    with house.store.database.transaction(), row_counter(house.store.session.connection) as count:
        result = work()
        rows = count()
    return result, rows


def main() -> None:
    house = open_house()
    costs = measure(house, tasks=int(sys.argv[1]), rounds=int(sys.argv[2]))
    print(json.dumps(asdict(costs)))
    house.close()


if __name__ == "__main__":
    main()
