"""Free places are filled: the most urgent waiting executions become this node's claims."""

from __future__ import annotations

from datetime import datetime

from smart_cron.core.admission import admit
from smart_cron.core.ports import ClaimStore, Clock
from smart_cron.core.run import Claim, WaitingRun
from smart_cron.engine.clock import new_run_id
from smart_cron.engine.settings import LAUNCH_WINDOW, EngineSettings

TOO_LATE = "its start deadline passed while it waited for a free place"


class Claimer:
    """Claims as many as there are free places and never more."""

    def __init__(self, *, claims: ClaimStore, clock: Clock, settings: EngineSettings) -> None:
        self._claims, self._clock, self._settings = claims, clock, settings

    def adopt(self, settings: EngineSettings) -> None:
        """Claim by other settings from now on."""
        self._settings = settings

    def claim(self, *, places: int, only: int | None = None) -> list[Claim]:
        """Claim within the caller's transaction, in order of priority, then age."""
        claimed: list[Claim] = []
        now = self._clock.now()
        while places > len(claimed):
            waiting = self._claims.lock_waiting(limit=places - len(claimed), only=only)
            fresh = self._take(waiting, now) if waiting else []
            claimed += fresh
            # Where nothing was set aside, what was asked for is all there is.
            if len(fresh) == len(waiting):
                break
        return claimed

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
