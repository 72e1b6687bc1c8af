"""This node's own disks, memory, folders, clock: looked at here where the health task runs elsewhere.

Which node runs that task is chance, and may be the same one for weeks.
"""

from __future__ import annotations

from datetime import timedelta

from smart_cron.services.health import Examination
from smart_cron.wiring import House
from smart_cron.wiring.health_kept import EVERY, keep
from smart_cron.wiring.health_of import look_after_node, ward_of

# Two slots of the task, and a little for its run: so long nobody has looked at this node.
OVERLOOKED = 2 * EVERY + timedelta(minutes=1)


class OwnHealth:
    """Looks at this node. For one thread."""

    def __init__(self, house: House) -> None:
        self._ward = ward_of(house.config, {}, house.store)
        self._last: Examination | None = None

    def look(self) -> bool:
        """Look where others are looked at and this node is not; return whether it did.

        Where nobody is looked at, somebody has switched the task off. What still hangs since the last time is told.
        """
        if self._last is not None and self._last.hangs:
            return False
        health, node = self._ward.store.health, self._ward.config.node_name
        since = self._ward.store.database.now() - OVERLOOKED
        if health.checked_since(since, node=node) or not health.checked_since(since):
            return False
        self._last = look_after_node(self._ward)
        keep(self._ward, self._last)
        return True
