"""What is told while the database is away: one file in the state directory, written whole, that outlives its writer.

For the owner of that directory only: root, who follows its links, has no business here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from smart_cron.core.delivery import Address
from smart_cron.services.state_file import write_state_file

FOLDER, FILE = "alerts", "database.json"
MAX_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The database does not serve since `since`, for `reason`; `told` are those who heard of it, from `told_at` on."""

    since: datetime
    reason: str
    told: tuple[Address, ...] = ()
    told_at: datetime | None = None

    def told_to(self, address: Address, at: datetime) -> Outage:
        """Return the outage with one more who knows."""
        return replace(self, told=(*self.told, address), told_at=self.told_at or at)


class Spool:
    """The file of an outage. A file that cannot be read counts as none; one that cannot be written raises OSError."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FOLDER / FILE

    def outage(self) -> Outage | None:
        """Return the outage that stands, told by this process or an earlier one."""
        try:
            with self._file.open("rb") as file:
                return _read(json.loads(file.read(MAX_BYTES)))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, outage: Outage) -> None:
        """Write the outage, durably and in one piece."""
        write_state_file(self._file, json.dumps(_written(outage)))

    def forget(self) -> None:
        """Take the file away: everybody who heard of it hears from the outbox from now on."""
        self._file.unlink(missing_ok=True)


def _written(outage: Outage) -> dict[str, object]:
    return {
        "since": outage.since.isoformat(),
        "reason": outage.reason,
        "told": [[address.channel, address.target] for address in outage.told],
        "told_at": None if outage.told_at is None else outage.told_at.isoformat(),
    }


def _read(kept: dict[str, object]) -> Outage:
    told, told_at = kept["told"], kept["told_at"]
    assert isinstance(told, list)
    return Outage(
        since=datetime.fromisoformat(str(kept["since"])),
        reason=str(kept["reason"]),
        told=tuple(Address(channel, target) for channel, target in told),
        told_at=None if told_at is None else datetime.fromisoformat(str(told_at)),
    )
