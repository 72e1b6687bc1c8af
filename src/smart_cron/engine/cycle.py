"""What one turn of the master does to the database: record, plan, claim in one transaction, and launch after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.ports import (
    ClaimStore,
    Clock,
    Database,
    IncidentStore,
    Launcher,
    Log,
    NodeStore,
    PlanStore,
    RecordStore,
)
from smart_cron.core.ports.alerts import Bell
from smart_cron.core.ports.metrics import PastStore
from smart_cron.core.run import Claim, EndCause, RunEnd, Settlement
from smart_cron.core.traced import RecordedRuns
from smart_cron.engine.anomaly_watch import AnomalyWatch
from smart_cron.engine.claimer import Claimer
from smart_cron.engine.old_files import OldFiles
from smart_cron.engine.planner import NOTHING, Planned, Planner
from smart_cron.engine.recorder import BATCH_RUNS, Recorder
from smart_cron.engine.rescue import Rescue
from smart_cron.engine.ripeness import Ripeness
from smart_cron.engine.settings import EngineSettings

T = TypeVar("T")
# A conflict is over as soon as the other transaction is: so many in a row mean that something else is wrong. One that
# took long to be told is a lock that somebody sits on: then signals, news and the log must have their turn first.
CONFLICT_TRIES = 10
CONFLICT_SECONDS = 5.0
INCIDENT_SECONDS = 60.0
# How often what was missed is given its share of starts.
CATCH_UP_PAUSE = timedelta(seconds=0.5)


class NodeLauncher(Launcher, Protocol):
    """A launcher whose task runner can be started and asked."""

    def ensure(self) -> None: ...

    def running(self) -> set[str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The ports of the database that the master works with."""

    database: Database
    plans: PlanStore
    claims: ClaimStore
    records: RecordStore
    nodes: NodeStore
    incidents: IncidentStore
    # Without it no success is held against its task's past.
    pasts: PastStore | None = None
    # Where it is told which runs were recorded, for traces.
    recorded: RecordedRuns | None = None


@dataclass(slots=True)
class OnceReport:
    """What was done: executions planned, claims launched, runs that ended well and not."""

    planned: int = 0
    started: int = 0
    finished: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class _Done:
    claims: list[Claim]
    settled: list[Settlement]
    planned: Planned
    all_places_filled: bool


class Cycle:
    """Owns the node's runs in hand. `only` narrows it to these executions: then no slot is planned."""

    def __init__(
        self,
        *,
        stores: Stores,
        launcher: NodeLauncher,
        clock: Clock,
        log: Log,
        settings: EngineSettings,
        jitter: Callable[[], float],
        bell: Bell,
    ) -> None:
        self._stores, self._launcher, self._clock, self._log = stores, launcher, clock, log
        self._bell = bell
        self._settings = settings
        self._planner = Planner(plans=stores.plans, settings=settings, log=log, clock=clock)
        self._claimer = Claimer(claims=stores.claims, clock=clock, settings=settings)
        self._recorder = Recorder(
            records=stores.records,
            clock=clock,
            log=log,
            jitter=jitter,
            reopen_lost=stores.nodes.reopen_lost,
            severities=lambda: self._settings.severities,
            anomalies=AnomalyWatch(stores.pasts, log) if stores.pasts else None,
            recorded=stores.recorded,
        )
        self._rescue = Rescue(records=stores.records, launcher=launcher, clock=clock, settings=settings)
        self._old_files = OldFiles(
            database=stores.database, nodes=stores.nodes, records=stores.records, launcher=launcher
        )
        self._resolve_at = 0.0
        self._files_are_shut = False
        self._asked_to_end: set[str] = set()
        self._spent_files: list[str] = []
        self._may_wait = True
        self._line_is_long = False
        self._ripeness = Ripeness()
        self.in_hand: set[str] = set()
        self.next_due_at: datetime | None = None
        self.only: tuple[int, ...] | None = None
        self.report = OnceReport()

    def adopt(self, settings: EngineSettings) -> None:
        """Work by other settings from the next turn on."""
        self._settings = settings
        self._planner.adopt(settings)
        self._claimer.adopt(settings)

    @property
    def ripe_at(self) -> float:
        """When news must be recorded, on the clock that does not step; infinite where there are none."""
        return self._ripeness.at

    @property
    def has_work(self) -> bool:
        """Whether runs are in hand, news unrecorded, or executions possibly waiting."""
        return bool(self.in_hand) or self._recorder.has_news or self._may_wait

    def hear(self, *, timeout: float) -> None:
        """Wait at most *timeout* seconds for news. Raise TaskRunnerError when the task runner is lost."""
        starts, ends = self._launcher.poll(timeout=timeout)
        self._recorder.note(starts, ends)
        going = len(self.in_hand) - self._recorder.backlog
        self._ripeness.heard(starts=len(starts), ends=len(ends), going=going, boottime=self._clock.boottime())

    def _ripen_now(self) -> None:
        self._ripeness.at_once(self._clock.boottime())

    def plan_reboot(self, booted_at: datetime) -> None:
        """Make this boot's executions of `@reboot` tasks, once."""
        with self._stores.database.transaction():
            planned = self._planner.plan_reboot(booted_at=booted_at, now=self._clock.now())
        self.report.planned += planned

    def forget_future(self, *, beyond: datetime) -> None:
        """The wall clock was set back: what was planned of the time after *beyond* is planned anew."""
        with self._stores.database.transaction():
            self._stores.plans.forget_future(now=self._clock.now(), beyond=beyond)
        self.next_due_at = None

    def act(self, *, look: bool) -> None:
        """Record and claim in one transaction, and plan where it is time to *look*; then launch and end runs."""
        if self._line_is_long and not look and self._recorder.backlog <= BATCH_RUNS and self._refill():
            return
        done = again_on_conflict(lambda: self._record_plan_claim(look=look), self._clock)
        self._take_note(done)
        # From here on a lost task runner ends the turn: whatever is true by now has been noted above.
        if done.claims:
            self._launch(done.claims)
        if look:
            self._end_cancelled()
        self._let_files_go()

    def _refill(self) -> bool:
        """Give the places of runs that ended to others before that is recorded; say whether recording may be put off.

        Each free place is time lost; a result can wait, since its run file has it.
        """
        going = [run_id for run_id in self.in_hand if not self._recorder.holds(run_id)]
        places = self._settings.max_concurrent - len(going)
        if places <= 0:
            return False
        claims = again_on_conflict(lambda: self._claim_unless_overtaking(places), self._clock)
        self._line_is_long = len(claims) == places
        self.in_hand |= {claim.run_id for claim in claims}
        put_off = self._line_is_long and self._ripeness.may_be_put_off(
            unrecorded=self._recorder.backlog, boottime=self._clock.boottime()
        )
        if put_off:
            self._ripeness.refilled()
        if claims:
            self._launch(claims)
        return put_off

    def _claim_unless_overtaking(self, places: int) -> list[Claim]:
        """Claim nothing where what an end sets free may be more urgent: what stands behind others, or in a group."""
        settings = self._settings
        # In a group, and under a bound over all nodes, a run takes its place until its end is recorded.
        if self.only is not None or settings.group_limits or settings.max_concurrent_total is not None:
            return []
        with self._stores.database.transaction():
            return [] if self._stores.claims.any_behind_others() else self._claimer.claim(places=places)

    def _take_note(self, done: _Done) -> None:
        self._spent_files += self._recorder.confirm()
        self._ring_for(done.settled)
        self._planner.tell(done.planned)
        self._ripeness.recorded()
        if self._recorder.has_news:
            self._ripen_now()
        self._count(done)
        ended = {settlement.run.run_id for settlement in done.settled}
        self.in_hand = (self.in_hand - ended) | {claim.run_id for claim in done.claims}
        self._may_wait = done.planned.more_is_due or done.planned.more_is_overdue or done.all_places_filled
        if self._claimer.holds_back:
            # More of what was missed may start soon, though nothing comes due then.
            self._may_wait = True
            self._be_back_by(self._clock.now() + CATCH_UP_PAUSE)
        self._line_is_long = done.all_places_filled and not done.planned.more_is_due

    def _ring_for(self, settled: Sequence[Settlement]) -> None:
        if any(each.alerts or each.recovers or each.run.ping_url for each in settled):
            self._bell.ring()

    def _let_files_go(self) -> None:
        if self._spent_files:
            self._launcher.discard(self._spent_files)
            self._spent_files = []

    def _record_plan_claim(self, *, look: bool) -> _Done:
        now = self._clock.now()
        with self._stores.database.transaction():
            settled = self._recorder.write()
            self._expect_retries(settled)
            planned = self._plan(now) if look and self.only is None else NOTHING
            ended = {settlement.run.run_id for settlement in settled}
            # While more is due, priorities are not known in full: plan first, start then.
            places = 0 if planned.more_is_due else max(0, self._settings.max_concurrent - len(self.in_hand - ended))
            claims = self._claim(places) if places else []
        return _Done(claims, settled, planned, all_places_filled=len(claims) == places)

    def _claim(self, places: int) -> list[Claim]:
        if self.only is None:
            return self._claimer.claim(places=places)
        claims: list[Claim] = []
        for execution_id in self.only:
            if len(claims) < places:
                claims += self._claimer.claim(places=1, only=execution_id)
        return claims

    def plan_due(self) -> None:
        """Plan all that has come due, and claim nothing of it."""
        more_is_due = True
        while more_is_due:
            planned = again_on_conflict(self._plan_alone, self._clock)
            self._planner.tell(planned)
            self.report.planned += planned.executions
            more_is_due = planned.more_is_due

    def _plan_alone(self) -> Planned:
        with self._stores.database.transaction():
            return self._plan(self._clock.now())

    def _plan(self, now: datetime) -> Planned:
        plans = self._stores.plans
        plans.release_delayed(now=now)
        planned = self._planner.plan_chunk(now=now)
        # A full chunk is followed by the next at once.
        self.next_due_at = now if planned.more_is_due else plans.next_due_at()
        return planned

    def _expect_retries(self, settled: Sequence[Settlement]) -> None:
        for settlement in settled:
            if settlement.retry_at is not None:
                self._be_back_by(settlement.retry_at)

    def _be_back_by(self, at: datetime) -> None:
        self.next_due_at = at if self.next_due_at is None else min(self.next_due_at, at)

    def _launch(self, claims: Sequence[Claim]) -> None:
        """A lost task runner costs nothing here: claims stand for their launch window, and a sweep sees to them."""
        unreadable = [_unreadable(claim, self._clock.now()) for claim in claims if claim.fault]
        if unreadable:
            self._recorder.note((), unreadable)
            self._ripen_now()
        sound = [claim for claim in claims if not claim.fault]
        for claim in sound:
            self._log.info("Task started", task=claim.task.name, execution_id=claim.execution_id, run_id=claim.run_id)
            if claim.task.ping_url:
                self._bell.started(claim.task.ping_url, claim.run_id, claim.task.name)
        self.report.started += len(sound)
        self._launcher.launch(sound)

    def _end_cancelled(self) -> None:
        asked = self._stores.claims.cancellations(node=self._settings.node)
        for run_id, reason in asked:
            if run_id not in self._asked_to_end:
                self._log.info("Run is being ended", run_id=run_id, reason=str(reason))
                self._launcher.cancel(run_id)
        self._asked_to_end = {run_id for run_id, _ in asked}

    def read_files_again(self) -> None:
        """Go through all run files with the sweeps to come: some may have no open row any more, or know better."""
        self._old_files.read_again()

    def end_abandoned(self) -> None:
        """End what supervisors that are gone have left, by the run files alone; it is recorded once that can be."""
        self._recorder.note((), self._launcher.abandoned())

    def sweep(self) -> None:
        """Hold the node's claims against what lives, and incidents against what SQL set right."""
        findings = self._rescue.sweep(in_hand=self._launcher.running(), known=self._recorder.holds)
        self._tell_of_files(findings.fault)
        late = self._old_files.look_at_some()
        self._recorder.note((), [*findings.ends, *late])
        if findings.ends or late:
            self._ripen_now()
        self.in_hand = findings.alive | {end.run_id for end in findings.ends} | {run for _, run in findings.to_launch}
        if findings.to_launch:
            self._launch(self._stores.claims.reclaim(findings.to_launch))
        self._resolve_incidents()

    def heal(self) -> None:
        """Make the tasks' rows say what the executions say, whatever SQL did to either."""
        self._stores.records.heal_projections()

    def _tell_of_files(self, fault: OSError | None) -> None:
        """Say once that run files cannot be used, and once that they can be again."""
        if fault is not None and not self._files_are_shut:
            self._log.critical("Run files cannot be used, their runs are left as they are", reason=str(fault))
        elif fault is None and self._files_are_shut:
            self._log.info("Run files can be used again")
        self._files_are_shut = fault is not None

    def _resolve_incidents(self) -> None:
        """What was set right by SQL is over; nobody waits for that to the second."""
        boottime = self._clock.boottime()
        if boottime < self._resolve_at:
            return
        self._resolve_at = boottime + INCIDENT_SECONDS
        for name in self._stores.incidents.resolve_recovered():
            self._log.info("Alert is resolved, the failures in a row were set back", task=name)
            self._bell.ring()

    def record_rest(self) -> None:
        """Before leaving: write what is known; what comes later stands in the run files."""
        self.hear(timeout=0)
        while self._recorder.backlog:
            with self._stores.database.transaction():
                settled = self._recorder.write()
            self._spent_files += self._recorder.confirm()
            self._ring_for(settled)
            self._count(_Done([], settled, NOTHING, all_places_filled=False))
        self._let_files_go()

    def _count(self, done: _Done) -> None:
        self.report.planned += done.planned.executions
        self.report.finished += sum(settlement.success for settlement in done.settled)
        self.report.failed += sum(not settlement.success for settlement in done.settled)


def _unreadable(claim: Claim, now: datetime) -> RunEnd:
    """A row that was broken by SQL between its plan and its claim fails alone, with the reason."""
    return RunEnd(
        run_id=claim.run_id,
        execution_id=claim.execution_id,
        cause=EndCause.START_FAILED,
        reason=claim.fault or "",
        completed_at=now,
    )


def again_on_conflict(act: Callable[[], T], clock: Clock) -> T:
    """Run a whole transaction again when the database chose it as a deadlock's victim."""
    give_up_at = clock.boottime() + CONFLICT_SECONDS
    for _ in range(CONFLICT_TRIES - 1):
        try:
            return act()
        except DatabaseConflictError:
            if clock.boottime() >= give_up_at:
                raise
    return act()
