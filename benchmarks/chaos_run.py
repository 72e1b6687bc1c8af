"""A chaos run: nodes at work, slots made, faults done and undone as scheduled, until it is time for the verdict."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos_faults import KILLS, Fault
from benchmarks.chaos_ground import Ground
from benchmarks.chaos_nodes import Node, workers_alive
from benchmarks.chaos_tasks import FARTHEST, SlotMaker, TaskPlan, accounted, minute_slots, own_runs
from benchmarks.chaos_verdict import ACTIVE, Circumstances, Verdict, judge
from benchmarks.processes import children, wait_until

STEP_SECONDS = 0.02
SLOTS_EVERY_SECONDS = 0.1
POSTPONED_SECONDS = 0.2
# A master that ends by itself again and again is a finding, and no reason to go on.
MOST_OWN_ENDS = 20
QUIET_SECONDS = 120.0
INIT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen."""

    seed: int
    seconds: float
    tasks: Sequence[TaskPlan]
    faults: Sequence[Fault]
    slots_per_second: float
    # Asked all the time; once it says yes the run ends before its time.
    enough: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Report:
    """What was done, by kind."""

    done: Counter[str] = field(default_factory=Counter)
    own_ends: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """How many processes of the product's were killed."""
        return sum(count for kind, count in self.done.items() if kind in KILLS)


class ChaosRun:
    """Owns the nodes while it runs. `play`, then `verdict`."""

    def __init__(self, ground: Ground, plan: Plan, *, say: Callable[[str], None]) -> None:
        self._ground, self._plan, self._say = ground, plan, say
        self._chance = random.Random(f"run {plan.seed}")
        self._slots = SlotMaker(plan.tasks, seed=plan.seed)
        self._undo: list[tuple[float, Callable[[], object]]] = []
        self._killed: set[int] = {INIT}
        self._waiting_for_end: set[str] = set()
        self._slots_at = 0.0
        self._made = 0
        self._began_at = datetime.now(UTC)
        self.report = Report()

    # The run

    def play(self) -> None:
        """Let everything happen, mend what is broken, and wait until nothing is under way any more."""
        for node in self._ground.nodes:
            node.start()
        wait_until(self._all_seen, what="the tasks to be planned", seconds=60)
        self._began_at = accounted(self._ground.connection, self._plan.tasks) or datetime.now(UTC)
        began = time.monotonic()
        faults = list(reversed(self._plan.faults))
        while (elapsed := time.monotonic() - began) < self._plan.seconds and not self._plan.enough():
            while faults and faults[-1].at <= elapsed:
                self._do(faults.pop(), faults, elapsed=elapsed)
            self._undo_what_is_over()
            self._keep_masters()
            self._make_slots(elapsed)
            time.sleep(STEP_SECONDS)
        self._undo_what_is_over(everything=True)
        self._say("no more faults; waiting until everything is over")
        self._settle_down()

    def note_kill(self, pid: int) -> None:
        """Take note that somebody else has killed this supervisor.

        A task that looks for its parent only after that finds the task runner, which takes orphans in.
        """
        self._killed.add(pid)
        for node in self._ground.nodes:
            self._killed.update(node.runners())

    def reset(self, node: Node) -> None:
        """Kill everything of a node at once, as the reset button of its machine does; a new master follows."""
        supervisors = node.supervisors()
        self._killed.update(supervisors, node.runners())
        self._kill_master(node)
        for pid in (*node.runners(), *supervisors, *node.supervisors()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _all_seen(self) -> bool:
        self._keep_masters()
        return accounted(self._ground.connection, self._plan.tasks) is not None

    def _keep_masters(self) -> None:
        for node in self._ground.nodes:
            if node.master_pid is None:
                self._note_end(node)
                node.start()

    def _note_end(self, node: Node) -> None:
        if node.name in self._waiting_for_end:
            self._waiting_for_end.discard(node.name)
            return
        if self._ground.harm.is_felt and "the database cannot be used" in node.last_words[-500:]:
            self.report.done["a master refused to start without its database"] += 1
            return
        self.report.own_ends.append(f"the master of {node.name} ended by itself: {node.last_words[-1000:]}")
        if len(self.report.own_ends) >= MOST_OWN_ENDS:
            raise RuntimeError(self.report.own_ends[0])

    def _make_slots(self, elapsed: float) -> None:
        if elapsed < self._slots_at or not self._ground.harm.is_over:
            return
        self._slots_at = elapsed + SLOTS_EVERY_SECONDS
        most = round(elapsed * self._plan.slots_per_second) - self._made
        with self._ground.database_errors():
            self._slots.make(self._ground.connection, most=max(0, min(most, len(self._plan.tasks))))
        # What could not be made is not made up for: a burst after a fault would be the benchmark's own.
        self._made = round(elapsed * self._plan.slots_per_second)

    # Faults

    def _do(self, fault: Fault, coming: list[Fault], *, elapsed: float) -> None:
        node = self._ground.nodes[int(fault.pick * len(self._ground.nodes))]
        if self._act(fault, node):
            self.report.done[fault.kind] += 1
        elif fault.kind in KILLS:
            # Nobody was there to be killed: soon there is. From now on, and not from when it should have been: where
            # looking for victims takes long, nothing but looking would be done.
            coming.append(replace(fault, at=elapsed + POSTPONED_SECONDS))
            coming.sort(reverse=True)
        else:
            self.report.done[f"{fault.kind}: nothing to do it to"] += 1

    def _act(self, fault: Fault, node: Node) -> bool:
        match fault.kind:
            case "kill master":
                return self._kill_master(node)
            case "kill task runner":
                return self._kill(node.runners(), fault)
            case "kill supervisor":
                return self._kill(self._busy_supervisors(node), fault)
            case "stop master":
                return self._stop([node.master_pid] if node.master_pid else [], fault)
            case "stop task runner":
                return self._stop(node.runners(), fault)
            case "stop supervisor":
                return self._stop(self._busy_supervisors(node), fault)
            case "empty run directory":
                return _emptied(node.run_dir)
            case "flip is_running":
                return self._flip(fault)
            case "freeze node":
                # Its supervisors go on: what they record meanwhile is the node's late word.
                return self._stop_all([*([node.master_pid] if node.master_pid else []), *node.runners()], fault)
            case _:
                undo = self._ground.harm.do(fault.kind, self._ground.nodes.index(node))
                if undo is not None:
                    self._undo.append((time.monotonic() + fault.seconds, undo))
                return undo is not None

    def _kill_master(self, node: Node) -> bool:
        pid = node.master_pid
        if pid is None:
            return False
        self._waiting_for_end.add(node.name)
        os.kill(pid, signal.SIGKILL)
        return True

    def _busy_supervisors(self, node: Node) -> list[int]:
        self._killed.update(node.runners())
        found = node.supervisors()
        return [pid for pid in found if children(pid)] or found

    def _kill(self, victims: Sequence[int], fault: Fault) -> bool:
        if not victims:
            return False
        victim = self._chosen(victims, fault)
        self._killed.add(victim)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            return True
        return False

    @staticmethod
    def _chosen(victims: Sequence[int], fault: Fault) -> int:
        return victims[int(fault.pick * 1000) % len(victims)]

    def _stop(self, victims: Sequence[int], fault: Fault) -> bool:
        return self._stop_all([self._chosen(victims, fault)] if victims else [], fault)

    def _stop_all(self, victims: Sequence[int], fault: Fault) -> bool:
        stopped = [victim for victim in victims if self._stop_one(victim, fault)]
        return bool(stopped)

    def _stop_one(self, victim: int, fault: Fault) -> bool:
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGSTOP)
            self._undo.append((time.monotonic() + fault.seconds, lambda: _continue(victim)))
            return True
        return False

    def _flip(self, fault: Fault) -> bool:
        if not self._ground.harm.is_over:
            return False
        name = self._plan.tasks[int(fault.pick * 1000) % len(self._plan.tasks)].name
        with self._ground.database_errors():
            self._ground.connection.execute(
                "UPDATE smart_cron_tasks_config SET is_running = 1 - is_running WHERE task_name = %s", [name]
            )
            return True
        return False

    def _undo_what_is_over(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        over = [entry for entry in self._undo if everything or entry[0] <= now]
        self._undo = [entry for entry in self._undo if entry not in over]
        for _, undo in over:
            undo()

    # The end

    def _settle_down(self) -> None:
        """Wait until nothing is under way; what still is after that is stuck, and told by the verdict."""
        # The last slots that were set still lie ahead.
        ended_at = datetime.now(UTC) + FARTHEST

        def is_quiet() -> bool:
            self._keep_masters()
            with self._ground.database_errors():
                return self._is_quiet(ended_at)
            return False

        with suppress(TimeoutError):
            wait_until(is_quiet, what="everything to end", seconds=QUIET_SECONDS, pause=0.2)

    def _is_quiet(self, ended_at: datetime) -> bool:
        connection = self._ground.connection
        words = ", ".join(f"'{word}'" for word in sorted(ACTIVE))
        active = connection.number(f"SELECT COUNT(*) FROM smart_cron_executions WHERE status IN ({words})")
        unplanned = connection.number("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE needs_planning = 1")
        due = connection.number(
            "SELECT COUNT(*) FROM smart_cron_tasks_config WHERE next_run_at < %s", [f"{ended_at:%Y-%m-%d %H:%M:%S.%f}"]
        )
        flagged = connection.number("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE is_running <> 0")
        if active or unplanned or due or flagged:
            return False
        # What others took for lost, its own node may still know better: it looks at its old files a few at a time.
        guessed = connection.execute(
            "SELECT run_id FROM smart_cron_executions WHERE status = 'lost' AND settled_by IS NOT NULL"
        )
        return not any(node.has_word_on(run_id) for (run_id,) in guessed for node in self._ground.nodes)

    def verdict(self) -> Verdict:
        """End the nodes, and hold ledger and records against each other."""
        flagged = self._ground.connection.execute(
            "SELECT task_name FROM smart_cron_tasks_config WHERE is_running <> 0 ORDER BY task_name"
        )
        until = self._accounted_until()
        left = workers_alive(self._ground.records)
        for node in self._ground.nodes:
            node.stop()
        late = self._ground.connection.execute("SELECT run_id FROM smart_cron_executions WHERE late = 1")
        minutes = list(minute_slots(self._plan.tasks, since=self._began_at, until=until))
        # Planned between the two looks at the clock, at the beginning as at the end.
        more = list(minute_slots(self._plan.tasks, since=self._ground.made_at, until=datetime.now(UTC)))
        around = Circumstances(
            owed=[*self._slots.owed, *minutes],
            possible=[*self._slots.doubtful, *more],
            retry_lost={task.name for task in self._plan.tasks if task.retry_lost},
            corrected={run_id for (run_id,) in late},
            killed=self._killed,
            left_running=left,
            wrong_projections=[name for (name,) in flagged],
        )
        return judge(self._ground.read_ledger(), own_runs(self._ground.records), around)

    def _accounted_until(self) -> datetime:
        """Minutes that no master has come to yet are not owed."""
        minutely = [task for task in self._plan.tasks if task.is_by_minute]
        return accounted(self._ground.connection, minutely) or self._began_at if minutely else self._began_at


def _continue(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _emptied(folder: Path) -> bool:
    """Delete everything in it, as a careless clean-up does."""
    for path in folder.iterdir():
        with suppress(OSError):
            path.unlink()
    return True
