"""Free places are filled: the most urgent waiting executions become this node's claims."""

from __future__ import annotations

from datetime import datetime

from smart_cron.core.admission import admit
from smart_cron.core.ports import ClaimStore, Clock
from smart_cron.core.run import Claim, WaitingRun
from smart_cron.engine.allowance import Allowance
from smart_cron.engine.clock import new_run_id
from smart_cron.engine.settings import LAUNCH_WINDOW, EngineSettings

ASK_AGAIN_SECONDS = 1.0
TOO_LATE = "its start deadline passed while it waited for a free place"


class Claimer:
    """Claims as many as there are free places and never more."""

    def __init__(self, *, claims: ClaimStore, clock: Clock, settings: EngineSettings) -> None:
        self._claims, self._clock, self._settings = claims, clock, settings
        self._allowance = Allowance(per_minute=settings.catch_up_per_minute, boottime=clock.boottime())
        self._ask_again_at = 0.0
        # Whether old slots wait that may not start yet.
        self.holds_back = False

    def adopt(self, settings: EngineSettings) -> None:
        """Claim by other settings from now on."""
        self._settings = settings
        self._allowance.set_rate(settings.catch_up_per_minute)

    def claim(self, *, places: int, only: int | None = None) -> list[Claim]:
        """Claim within the caller's transaction, in order of priority, then age."""
        claimed: list[Claim] = []
        now = self._clock.now()
        places = self._within_total(places)
        catch_ups = self._catch_ups()
        while places > len(claimed):
            waiting = self._claims.lock_waiting(
                limit=places - len(claimed), only=only, tags=self._settings.node_tags, catch_ups=catch_ups
            )
            catch_ups -= self._spend(waiting)
            fresh = self._take(waiting, now) if waiting else []
            claimed += fresh
            # Where nothing was set aside, what was asked for is all there is.
            if len(fresh) == len(waiting):
                break
        return claimed

    def _within_total(self, places: int) -> int:
        """Return how many places the bound over all nodes leaves of these."""
        if self._settings.max_concurrent_total is None:
            return places
        return max(0, min(places, self._settings.max_concurrent_total - self._claims.lock_total()))

    def _catch_ups(self) -> int:
        """Return how many old slots may start now. Whether there are any is asked once a second, not at each claim."""
        boottime = self._clock.boottime()
        if not self.holds_back and boottime < self._ask_again_at:
            return 0
        self._ask_again_at = boottime + ASK_AGAIN_SECONDS
        self.holds_back = self._claims.any_catch_up()
        return self._allowance.now(boottime) if self.holds_back else 0

    def _spend(self, waiting: list[WaitingRun]) -> int:
        count = sum(run.is_catch_up for run in waiting)
        self._allowance.spend(count)
        return count

    def _take(self, waiting: list[WaitingRun], now: datetime) -> list[Claim]:
        groups = sorted({run.group for run in waiting if run.group in self._settings.group_limits and run.group})
        verdict = admit(
            waiting,
            places=len(waiting),
            group_limits=self._settings.group_limits,
            group_usage=self._claims.group_usage(groups) if groups else {},
            now=now,
        )
        if verdict.block:
            self._claims.block(verdict.block)
        if verdict.expire:
            self._claims.expire(verdict.expire, reason=TOO_LATE, now=now)
        if not verdict.claim:
            return []
        return self._claims.claim(
            [(execution_id, new_run_id(now)) for execution_id in verdict.claim],
            node=self._settings.node,
            incarnation=self._settings.incarnation,
            launch_deadline=self._clock.boottime() + LAUNCH_WINDOW.total_seconds(),
            now=now,
        )
