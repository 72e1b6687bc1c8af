"""Whether the database came from a backup, and the settling of the time since, from its hold to its release."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from smart_cron import __version__
from smart_cron.core.errors import SmartCronError
from smart_cron.core.node import Hold, HoldKind, NodeIdentity
from smart_cron.core.restored import RESTORED
from smart_cron.engine.membership import BeatMemory
from smart_cron.recovery.runs import enter_what_files_tell, lose_what_has_no_file
from smart_cron.recovery.slots import pass_boot_over, pass_slots_over
from smart_cron.services.audit import forget_head
from smart_cron.taskrunner import runfile

if TYPE_CHECKING:
    from smart_cron.wiring import House

# Other nodes may have given the numbers that follow the backup's to runs of their own, which go on.
NUMBERS_LEFT_OUT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """What tells that a database came from a backup; `remembered` and `known` are heartbeats of this node.

    `heard_at` is when the database heard of this node last, on its own clock: not long before the backup.
    """

    remembered: int
    known: int
    heard_at: datetime | None
    hold: Hold | None
    other_nodes: tuple[str, ...]

    @property
    def is_certain(self) -> bool:
        """Whether it was restored, or exchanged, and nobody has settled that for this node."""
        return self.hold is not None or self.remembered > self.known


@dataclass(slots=True)
class Settled:
    """What was made of the time since the backup: runs entered, of these ended ones, runs lost, slots missed.

    `missed_runs` are executions that were still to start when the backup was made.
    """

    entered: int = 0
    ended: int = 0
    lost: int = 0
    missed_slots: int = 0
    missed_runs: int = 0


def look_for_restore(house: House) -> Restore:
    """Hold what the state directory remembers against what the database knows."""
    ours = _identity(house)
    records = {record.name: record for record in house.store.nodes.nodes()}
    record = records.get(ours.name)
    is_ours = record is None or record.identity == ours.identity
    remembered = BeatMemory(house.config.state_dir / "heartbeats").read() if is_ours else 0
    if record is None and not house.store.history.runs(limit=1):
        remembered = 0  # A new database, in which this node has not taken part yet.
    return Restore(
        remembered=remembered,
        known=record.heartbeats if record is not None else 0,
        heard_at=record.heard_at if record is not None else None,
        hold=next((hold for hold in house.store.holds.holds() if hold.kind == HoldKind.RESTORED), None),
        other_nodes=tuple(name for name, other in records.items() if name != ours.name and other.forgotten_at is None),
    )


def _identity(house: House) -> NodeIdentity:
    boot_id, _, identity = runfile.incarnation(house.config.state_dir).partition(":")
    return NodeIdentity(
        name=house.config.node_name,
        identity=identity,
        boot_id=boot_id,
        host=socket.gethostname(),
        version=__version__,
        master_pid=0,
        max_concurrent=house.config.max_concurrent,
        tags=house.config.node_tags,
    )


def settle_restored(house: House, restore: Restore, *, actor: str) -> Settled:
    """Settle the time between the backup and now, then let starts go on as far as this node is concerned.

    Raise SmartCronError where a process still works with the file that the database was before.
    """
    _require_no_reader_of_the_old(house)
    now, settled = house.clock.now(), Settled()
    if restore.hold is None:
        reason = f"it knows of {restore.known} heartbeats of this node, which made {restore.remembered}"
        house.store.holds.hold(HoldKind.RESTORED, reason=reason, actor=actor)
    settled.entered, settled.ended = enter_what_files_tell(house, now, heard_at=restore.heard_at)
    settled.lost = lose_what_has_no_file(house, now)
    settled.missed_slots = pass_slots_over(house, now)
    pass_boot_over(house, now)
    settled.missed_runs = house.store.session.again(lambda: _finish(house, restore, actor, now))
    # The audit log that came with the backup ends earlier than the one that this node remembers.
    forget_head(house.config.state_dir)
    return settled


def _finish(house: House, restore: Restore, actor: str, now: datetime) -> int:
    """Let starts go on, in the transaction that leaves nothing of the past to start; return how many would have."""
    since = restore.hold.since if restore.hold is not None else None
    missed = house.store.restored.miss_pending(until=now, asked_since=since, reason=RESTORED, now=now)
    if restore.other_nodes:
        house.store.restored.skip_numbers(NUMBERS_LEFT_OUT)
    if restore.remembered:
        house.store.restored.remember_beats(_identity(house), restore.remembered)
    house.store.holds.release(HoldKind.RESTORED, actor=actor)
    told = {"missed_runs": missed, "remembered_heartbeats": restore.remembered, "known_heartbeats": restore.known}
    house.store.audit.note("settle restore", actor=actor, entity=("database", 0, "restored"), new=told)
    return missed


def _require_no_reader_of_the_old(house: House) -> None:
    """A SQLite file that was replaced is still open where it was open: what is written there is lost."""
    parts = urlsplit(house.config.database_url)
    pids = sorted(_readers_of_deleted(Path(unquote(parts.path)))) if parts.scheme == "sqlite" else []
    if pids:
        named = ", ".join(map(str, pids))
        raise SmartCronError(
            f"the database file was replaced, and process {named} still works with the old one.",
            remedy="Stop it (a master can be stopped at any time: running tasks go on), then call this again.",
        )


def _readers_of_deleted(path: Path) -> Iterator[int]:
    gone = f"{path.resolve()} (deleted)"
    for folder in Path("/proc").glob("[0-9]*/fd"):
        if gone in _open_files(folder):
            yield int(folder.parent.name)


def _open_files(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return  # It ended meanwhile, or is another user's, which cannot open our file.
    for name in names:
        with suppress(OSError):
            yield os.readlink(folder / name)
