"""This node among the others: it introduces itself, beats, and sees to what silent nodes left behind.

All ages are by the database's clock, so nodes whose clocks differ agree on who is silent.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import NamedTuple

from smart_cron.core.alert_rules import USUAL_SEVERITIES, Severities
from smart_cron.core.errors import RestoredDatabaseError
from smart_cron.core.move import DatabaseMovedError
from smart_cron.core.node import HoldKind, NodeIdentity, NodeRecord, NodeState, lives_until
from smart_cron.core.outcome import settle
from smart_cron.core.ports import Clock, Database, HoldStore, Log, NodeStore, RecordStore
from smart_cron.core.run import EndCause, HeldRun, OpenRun, RunEnd, Settlement
from smart_cron.engine.notices import Notices
from smart_cron.engine.settings import EngineSettings
from smart_cron.taskrunner import runfile

_REMEDIES: dict[str, str] = {
    HoldKind.MOVED: "Set [database] url to the new one; or take the old one back with 'smart-cron db move --undo'.",
    HoldKind.ARRIVING: "Call again what fills it: 'smart-cron db move' or 'smart-cron db migrate' goes on.",
}
# What a disk says that has failed, unlike one that is full or closed to us.
_DISK_FAILED = frozenset({errno.EROFS, errno.EIO})
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class BeatMemory:
    """The number of this node's latest heartbeat, kept beside its run files: a restored database knows a smaller one.

    It is written after the database has the beat and never synced: one that is too small proves nothing and does no
    harm.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int:
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def write(self, beats: int) -> None:
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            # Ours and our group's alone, whatever the umask.
            with os.fdopen(os.open(part, _WRITE, 0o640), "w", encoding="ascii") as file:
                file.write(f"{beats}\n")
            part.replace(self._path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What settling for another node needs."""

    database: Database
    nodes: NodeStore
    holds: HoldStore
    records: RecordStore
    log: Log
    jitter: Callable[[], float]
    severities: Severities = USUAL_SEVERITIES


class Beat(NamedTuple):
    """What came of a heartbeat: the others may have taken us for silent; runs of a silent node were settled."""

    was_silent: bool
    has_settled: bool


class Membership:
    """Owns this node's row. `enter` first, `beat` now and then, `leave` in the end."""

    def __init__(
        self,
        *,
        node: NodeIdentity,
        memory: BeatMemory,
        surroundings: Surroundings,
        clock: Clock,
        settings: EngineSettings,
    ) -> None:
        self._node, self._memory, self._around, self._clock = node, memory, surroundings, clock
        self._settings = settings
        self._silent: set[str] = set()
        self._beat_at = -inf
        self._is_forgetful = False
        around = surroundings
        self._notices = Notices(database=around.database, holds=around.holds, clock=clock, log=around.log)

    def adopt(self, settings: EngineSettings) -> None:
        """Tell others of other settings from the next start on; how long silence may last counts at once."""
        self._settings = settings

    def enter(self) -> None:
        """Take part. Raise NodeNameTakenError or RestoredDatabaseError where that would do harm.

        In a database that was restored nothing is started by any node from then on. Raise DatabaseMovedError where
        it was moved elsewhere or is not whole yet: a heartbeat there would make the other one look restored.
        """
        self._require_home()
        nodes, silence = self._around.nodes, self._settings.node_silence
        self._beat_with(lambda: nodes.register(self._node, beaten=self._memory.read(), silence=silence))
        nodes.mark_reachable(self._node.name)
        self._notices.look_at_holds()

    def _require_home(self) -> None:
        for hold in self._around.holds.holds():
            if hold.kind in _REMEDIES:
                raise DatabaseMovedError(
                    f"nothing works with this database: {hold.reason}.", remedy=_REMEDIES[hold.kind]
                )

    def beat(self) -> Beat:
        """Say that we live, then look after the others.

        Raises as `enter` does, where we were struck out or the database was exchanged.
        """
        nodes, silence = self._around.nodes, self._settings.node_silence
        quiet_since = self._beat_at
        self._beat_with(lambda: nodes.beat(self._node, beaten=self._memory.read(), silence=silence))
        was_silent = self._beat_at - quiet_since > silence.total_seconds()
        if was_silent:
            nodes.mark_reachable(self._node.name)
        others = [record for record in nodes.nodes() if record.name != self._node.name]
        has_settled = bool(others) and self._look_after(others, self._around.database.now())
        self._notices.look()
        return Beat(was_silent, has_settled)

    def _beat_with(self, beat: Callable[[], int]) -> None:
        try:
            beats = beat()
        except RestoredDatabaseError as error:
            self._around.holds.hold(HoldKind.RESTORED, reason=error.message, actor=f"node {self._node.name}")
            raise
        self._beat_at = self._clock.boottime()
        self._remember(beats)

    def _remember(self, beats: int) -> None:
        """A full disk must not end the master: a number that is too small proves nothing and does no harm."""
        try:
            self._memory.write(beats)
        except OSError as error:
            if not self._is_forgetful:
                self._around.log.error("Heartbeats cannot be remembered", reason=str(error))
            self._is_forgetful = True
            if error.errno in _DISK_FAILED:
                # The files of runs that began a moment ago may not have reached the disk: none of them starts again.
                self._around.records.move_claims(node=self._node.name, incarnation=runfile.UNRELIABLE)
        else:
            self._is_forgetful = False

    def leave(self) -> None:
        """Say that the silence to come is meant."""
        self._around.nodes.retire(self._node)

    def _look_after(self, others: Sequence[NodeRecord], now: datetime) -> bool:
        """See to what silent nodes hold; say whether any of it was settled."""
        silence = self._settings.node_silence
        silent = [record for record in others if record.state(now=now, silence=silence) is NodeState.SILENT]
        self._tell({record.name for record in silent})
        holding = [record for record in silent if record.held]
        if holding:
            self._around.nodes.mark_unreachable([record.name for record in holding])
        has_settled = False
        for record in holding:
            has_settled |= self._settle_what_ended(record, now)
        return has_settled

    def _settle_what_ended(self, record: NodeRecord, now: datetime) -> bool:
        held = self._around.records.held(node=record.name)
        over = [run for run in held if lives_until(run, heard_at=record.heard_at) < now]
        if over:
            reason = f"its node '{record.name}' has been silent since {record.heard_at:%Y-%m-%d %H:%M:%S} UTC"
            settle_for_another(self._around, over, reason=reason, by=self._node.name, now=now)
        return bool(over)

    def _tell(self, silent: set[str]) -> None:
        for name in sorted(silent - self._silent):
            self._around.log.error("Node fell silent", silent_node=name)
        for name in sorted(self._silent - silent):
            self._around.log.warning("Node is back, or was struck out", node=name)
        self._silent = silent


def settle_for_another(
    around: Surroundings, runs: Sequence[HeldRun], *, reason: str, by: str, now: datetime
) -> list[Settlement]:
    """Record these runs of another node as lost, by *by*; what their own node says later replaces it."""
    with around.database.transaction():
        opened = around.records.lock_open([(run.execution_id, run.run_id) for run in runs])
        settlements = [_as_lost(run, around, reason, now) for run in opened]
        around.records.settle(settlements, now=now)
        if opened:
            around.nodes.note_settled_by([run.execution_id for run in opened], by)
    for settlement in settlements:
        around.log.error("Task completed with status lost", task=settlement.run.task_name, error=reason)
    return settlements


def _as_lost(run: OpenRun, around: Surroundings, reason: str, now: datetime) -> Settlement:
    end = RunEnd(run_id=run.run_id, execution_id=run.execution_id, cause=EndCause.LOST, reason=reason, completed_at=now)
    jitter, severities = around.jitter(), around.severities
    return settle(run, end, now=now, jitter=jitter, stdout_copy=None, stderr_copy=None, severities=severities)
