"""The port `HeldStore`, over HTTP, as far as commands ask for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from smart_cron.core.held import HeldRange
from smart_cron.core.ledger import LedgerRange
from smart_cron.core.run import SlotOutcome
from smart_cron.faces.cli.remote.client import Api, instant
from smart_cron.faces.cli.remote.tasks import RemoteTasks


class RemoteHeld:
    """Slots of a server that wait for a person. Who decides is the key's user, whatever `actor` says here."""

    def __init__(self, api: Api, tasks: RemoteTasks) -> None:
        self._api, self._tasks = api, tasks

    def held(self, task_id: int | None = None) -> list[HeldRange]:
        """Return the ranges of a task, or of all."""
        return [_range(row) for row in self._api.get("/held" if task_id is None else self._path(task_id))]

    def slots(self, task_id: int) -> list[datetime]:
        """Return each slot of a task, the earliest first."""
        return [at for row in self._api.get(f"{self._path(task_id)}/slots") if (at := instant(row["slot"]))]

    def run(self, task_id: int, slots: Collection[datetime], *, actor: str, now: datetime) -> int:
        """Run these; return how many waited still."""
        return self._decide(task_id, "run", slots, actor, now)

    def drop(self, task_id: int, slots: Collection[datetime], *, actor: str, now: datetime) -> int:
        """Let these be skipped for good; return how many waited still."""
        return self._decide(task_id, "drop", slots, actor, now)

    def _decide(self, task_id: int, what: str, slots: Collection[datetime], actor: str, now: datetime) -> int:
        del actor, now
        return int(self._api.post(f"{self._path(task_id)}/{what}", {"slots": sorted(slots)})["count"])

    def _path(self, task_id: int) -> str:
        return f"/tasks/{quote(self._tasks.name_of(task_id), safe='')}/held"


def _range(row: Mapping[str, Any]) -> HeldRange:
    first, last = instant(row["first_slot"]), instant(row["last_slot"])
    assert first is not None
    assert last is not None
    # Of what they belong to no command that asks from afar knows more.
    gap = LedgerRange(
        task=row["task"],
        first=first,
        last=last,
        count=row["count"],
        outcome=SlotOutcome.HELD,
        reason=row["reason"],
        schedule="",
        zone="",
    )
    return HeldRange(number=0, task_id=0, range=gap)
