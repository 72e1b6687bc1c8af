"""The master's loop: one thread, one turn at a time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

from smart_cron.core.errors import (
    ConfigError,
    DatabaseConflictError,
    DatabaseError,
    DatabaseUnavailableError,
    RestoredDatabaseError,
    SmartCronError,
    TaskRunnerError,
)
from smart_cron.core.ports import Clock, Log
from smart_cron.core.ports.alerts import Bell, SilentBell
from smart_cron.engine.agenda import Agenda
from smart_cron.engine.clock import StepWatch
from smart_cron.engine.cycle import Cycle, NodeLauncher, OnceReport, Stores
from smart_cron.engine.membership import Membership
from smart_cron.engine.settings import EngineSettings

# How often a master that cannot begin tries again, and looks for a signal.
PAUSE_SECONDS = 1.0
# How often run files are looked at while the database is away.
FILES_SECONDS = 5.0

__all__ = ["Master", "OnceReport", "Stores"]


class Master:
    """Runs the cycle when there is news or something is due, for one node. Not for two threads."""

    def __init__(
        self,
        *,
        stores: Stores,
        launcher: NodeLauncher,
        clock: Clock,
        log: Log,
        settings: EngineSettings,
        membership: Membership,
        booted_at: datetime,
        jitter: Callable[[], float],
        reread: Callable[[], EngineSettings],
        bell: Bell | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stores, self._launcher, self._clock, self._log = stores, launcher, clock, log
        self._settings, self._booted_at, self._reread = settings, booted_at, reread
        self._jitter, self._membership, self._pause = jitter, membership, pause
        self._bell = SilentBell() if bell is None else bell
        self._cycle = self._new_cycle()
        self._agenda = Agenda(clock.boottime(), heartbeat=settings.heartbeat)
        self._steps, self._set_back_seconds = StepWatch(clock), 0.0
        self._stopping = self._reread_asked = self._database_lost = False
        # Whether to look at what is due at the next probe; whether the tables changed since they were last healed.
        self._must_look = self._is_touched = True
        self._files_at = 0.0
        # What keeps us from beginning, once it was said.
        self._waits_for: type[SmartCronError] | None = None

    def _new_cycle(self) -> Cycle:
        return Cycle(
            stores=self._stores,
            launcher=self._launcher,
            clock=self._clock,
            log=self._log,
            settings=self._settings,
            jitter=self._jitter,
            bell=self._bell,
        )

    def run(self, *, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Work until SIGTERM or SIGINT; running tasks go on without us. SIGHUP rereads the settings.

        *on_wait* hears, once, what keeps the master from beginning.
        """
        with self._signals():
            self._begin_patiently(on_wait)
            self._log.info("Master started", node=self._settings.node, max_concurrent=self._settings.max_concurrent)
            while not self._stopping:
                self._turn_unless_restored()
            self._end()
        self._log.info("Master stopped", still_running=len(self._cycle.in_hand))
        self._log.flush()

    def once(self) -> OnceReport:
        """Make one pass: what is due is started and, within `max_execution_time`, seen to its end and recorded."""
        ends_at = self._clock.boottime() + self._settings.max_execution_time.total_seconds()
        with self._signals():
            self._begin()
            while self._cycle.has_work and not self._stopping and self._clock.boottime() < ends_at:
                self.turn()
            self._end()
        report = self._cycle.report
        self._log.info(
            "Pass completed",
            planned=report.planned,
            started=report.started,
            finished=report.finished,
            failed=report.failed,
            still_running=len(self._cycle.in_hand),
        )
        self._log.flush()
        return report

    def run_one(self, execution_id: int, *, on_turn: Callable[[], bool]) -> None:
        """See this execution alone through; *on_turn* is asked after every turn whether it is over.

        What else runs on the node is recorded meanwhile, and not waited for.
        """
        self._cycle.only = (execution_id,)
        self._begin()
        self._see_through(on_turn)

    def run_chosen(self, choose: Callable[[], Sequence[int]], *, on_turn: Callable[[], bool]) -> None:
        """Plan what is due, as a pass does; then see through the executions that *choose* names, and no others.

        They run side by side as far as there are places; *on_turn* is asked as by `run_one`.
        """
        self._begin()
        self._cycle.plan_due()
        self._cycle.only = tuple(choose())
        self._see_through(on_turn)

    def _see_through(self, on_turn: Callable[[], bool]) -> None:
        while self._cycle.has_work and not on_turn():
            self.turn()
        self._end()

    def close(self) -> None:
        """Hang up on the task runner, where the process goes on without this master."""
        self._launcher.close()

    def _begin_patiently(self, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Begin, as soon as database and task runner serve; in a restored database once somebody recovered it."""
        while not self._stopping:
            try:
                self._begin()
            except (
                RestoredDatabaseError, DatabaseUnavailableError, DatabaseConflictError, TaskRunnerError
            ) as error:  # fmt: skip
                self._say_waiting(error, on_wait)
            else:
                self._waits_for = None
                return
            self._pause(PAUSE_SECONDS)

    def _turn_unless_restored(self) -> None:
        try:
            self.turn()
        except RestoredDatabaseError as error:
            self._say_waiting(error)
            # What was in hand stands in the run files; of this database nothing is known any more.
            self._cycle = self._new_cycle()
            self._begin_patiently()

    def _say_waiting(self, error: SmartCronError, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Say it once: loudly in the log, and to whoever watches."""
        if self._waits_for is type(error):
            return
        self._waits_for = type(error)
        on_wait(str(error))
        if isinstance(error, DatabaseUnavailableError):
            self._lost_database(error)
        elif isinstance(error, DatabaseConflictError):
            # Somebody holds what the start has to write, for longer than anybody waits.
            self._log.warning("Database is busy, the start is tried again", reason=str(error))
        elif isinstance(error, RestoredDatabaseError):
            self._log.critical("Database was restored or exchanged, starts are held", reason=str(error))
        else:
            self._log.critical("Task runner cannot be started", reason=str(error))
        self._log.flush()

    def _begin(self) -> None:
        self._stores.database.check()
        self._membership.enter()
        self._agenda.beaten(self._clock.boottime())
        self._launcher.ensure()
        self._cycle.sweep()
        self._cycle.heal()
        self._cycle.read_files_again()
        self._agenda.swept(self._clock.boottime())
        if self._cycle.only is None:
            self._stores.plans.forget_default_zone(self._settings.default_zone)
            # Nobody watched the clock until now. Other nodes' clocks may differ a little, so not to the second.
            self._cycle.forget_future(beyond=self._clock.now() + self._settings.misfire_grace)
            self._cycle.plan_reboot(self._booted_at)

    def _end(self) -> None:
        if not self._database_lost:
            self._guarded(self._cycle.record_rest)
            self._guarded(self._membership.leave)
        self._log.flush()

    def turn(self) -> None:
        """Hear news, act on it, see to what is due."""
        self._hear()
        if self._stopping:
            # What was heard is recorded on the way out. Anything else would ask the task runner, and start another one
            # where a signal for all of ours has ended it, too.
            return
        if self._reread_asked:
            self._adopt_settings()
        boottime = self._clock.boottime()
        if self._database_lost and boottime >= self._files_at:
            # No sweep can tell of them now, and a task may not go on unwatched for as long as that lasts.
            self._files_at = boottime + FILES_SECONDS
            self._cycle.end_abandoned()
        self._set_back_seconds += self._steps.set_back_by()
        if self._agenda.may_try(boottime) and self._has_beaten(boottime):
            if self._set_back_seconds:
                self._forget_future()
            # What is healed may set others free, and being ours it would not be seen as another's change.
            healed = self._has_healed(boottime)
            look = self._agenda.slot_is_due(self._clock.now()) or self._is_worth_a_look(boottime)
            is_ripe = self._cycle.ripe_at <= boottime
            self._is_touched |= look or is_ripe
            if healed or look or is_ripe:
                self._act(look=healed or look)
        self._log.flush()

    def _has_healed(self, boottime: float) -> bool:
        """Hold claims against what lives where it is time; say whether the tables were looked through, too.

        They are not while nothing runs and nobody wrote: nothing in them can have become wrong.
        """
        if not self._agenda.sweep_is_due(boottime) or not self._guarded(self._cycle.sweep):
            return False
        if not (self._is_touched or self._cycle.in_hand):
            self._agenda.swept(boottime)
            return False
        if not self._guarded(self._cycle.heal):
            return False
        self._agenda.swept(boottime)
        self._is_touched = False
        return True

    def _has_beaten(self, boottime: float) -> bool:
        """Beat where it is time; False where the database did not take it: it may not be the one that we knew."""
        if not self._agenda.beat_is_due(boottime):
            return True
        if not self._guarded(self._beat):
            return False
        self._agenda.beaten(boottime)
        return True

    def _beat(self) -> None:
        beat = self._membership.beat()
        # What a lost run sets free, its retry among it, was written by ourselves: nothing else would tell of it.
        self._must_look |= beat.has_settled
        if beat.was_silent:
            # The others may have settled what we hold: see what lives, and tell what they could not know.
            self._log.warning("This node was silent for too long; its runs are looked at again")
            self._agenda.sweep_soon()
            self._is_touched = True
            self._cycle.read_files_again()

    def _is_worth_a_look(self, boottime: float) -> bool:
        """Whether it is time to look for what others changed, and they may have changed something."""
        if not self._agenda.probe_is_due(boottime):
            return False
        self._agenda.looked(boottime)
        try:
            written = self._stores.database.written_elsewhere()
        except DatabaseError as error:
            self._lost_database(error)
            return False
        if written:
            # Asked here for whoever tells people, too: one that wakes each second is enough.
            self._bell.written()
        return written or self._must_look

    def _hear(self) -> None:
        boottime = self._clock.boottime()
        patience = self._agenda.patience(now=self._clock.now(), boottime=boottime)
        if self._agenda.may_try(boottime):
            patience = max(0.0, min(patience, self._cycle.ripe_at - boottime))
        self._guarded(lambda: self._cycle.hear(timeout=patience))

    def _act(self, *, look: bool) -> None:
        if self._guarded(lambda: self._cycle.act(look=look)):
            self._agenda.served(next_due_at=self._cycle.next_due_at)
            if look:
                self._agenda.looked(self._clock.boottime())
                self._must_look = False
            if self._database_lost:
                self._database_lost = False
                self._log.warning("Database is back")
                self._bell.database_back()

    def _forget_future(self) -> None:
        """Nothing is planned by the clock that was set back before the database knows."""
        if self._guarded(lambda: self._cycle.forget_future(beyond=self._clock.now())):
            self._log.warning("The clock was set back", seconds=round(self._set_back_seconds, 3))
            self._set_back_seconds = 0.0
            # What we write ourselves is not seen as another's change.
            self._must_look = True

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Do it and say whether it went well. A lost database or task runner is said once, waited for, survived."""
        try:
            act()
        except DatabaseError as error:
            self._lost_database(error)
        except TaskRunnerError as error:
            self._lost_runner(error)
        else:
            return True
        return False

    def _lost_database(self, error: DatabaseError) -> None:
        if not self._database_lost:
            event = "Failed to connect to database" if error.transient else "Database refused to serve"
            self._log.critical(event, reason=str(error))
            self._bell.database_lost(str(error))
        self._database_lost = self._must_look = True
        self._agenda.failed(self._clock.boottime())

    def _lost_runner(self, error: TaskRunnerError) -> None:
        """Orders on their way may be lost with it: start another and let a sweep tell by the run files."""
        self._log.error("Task runner was lost", reason=str(error))
        if self._stopping:
            return
        self._agenda.sweep_soon()
        try:
            self._launcher.ensure()
        except TaskRunnerError as still:
            self._log.critical("Task runner cannot be started", reason=str(still))
            self._agenda.failed(self._clock.boottime())

    def _adopt_settings(self) -> None:
        self._reread_asked = False
        try:
            settings = self._reread()
        except ConfigError as error:
            self._log.error("Settings were not reread", reason=str(error))
            return
        self._settings = settings
        self._cycle.adopt(settings)
        self._membership.adopt(settings)
        self._guarded(lambda: self._stores.plans.forget_default_zone(settings.default_zone))
        self._must_look = True
        self._log.info("Settings were reread", max_concurrent=settings.max_concurrent)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Only note it: the loop looks at least once a second."""
        if number == signal.SIGHUP:
            self._reread_asked = True
        else:
            self._stopping = True
