"""What a master cannot change and everyone should know: said loudly, and once."""

from __future__ import annotations

from math import inf

from smart_cron.core.errors import SchemaError
from smart_cron.core.node import Hold
from smart_cron.core.ports import Clock, Database, HoldStore, Log

# Tables change with an upgrade only, and looking at them costs more than a heartbeat.
SCHEMA_SECONDS = 60.0


class Notices:
    """Tells that starts are held and that they go on, and that the tables became another version's."""

    def __init__(self, *, database: Database, holds: HoldStore, clock: Clock, log: Log) -> None:
        self._database, self._holds, self._clock, self._log = database, holds, clock, log
        self._held: dict[str, Hold] = {}
        self._schema_at = -inf
        self._schema_problem: str | None = None

    def look(self) -> None:
        """Look at both, at the tables now and then."""
        self.look_at_holds()
        if self._clock.boottime() >= self._schema_at:
            self._look_at_schema()

    def look_at_holds(self) -> None:
        """Say what holds starts back, on every node, and when it does not any more."""
        now = {str(hold.kind): hold for hold in self._holds.holds()}
        for kind in sorted(now.keys() - self._held.keys()):
            hold = now[kind]
            self._log.critical("Starts are held back", kind=kind, reason=hold.reason, by=hold.actor)
        for kind in sorted(self._held.keys() - now.keys()):
            self._log.warning("Starts go on, a hold has ended", kind=kind, still_held=bool(now))
        self._held = now

    def _look_at_schema(self) -> None:
        """A master of before an upgrade works on, as far as the new tables let it."""
        self._schema_at = self._clock.boottime() + SCHEMA_SECONDS
        problem = None
        try:
            self._database.check()
        except SchemaError as error:
            problem = error.message
        if problem and problem != self._schema_problem:
            remedy = "Restart this master with the version that the tables were made by"
            self._log.critical("Tables do not fit this version", reason=problem, remedy=remedy)
        self._schema_problem = problem
