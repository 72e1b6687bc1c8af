"""Nodes as values: who takes part, when one is silent, when its runs can no longer live, and what is held back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from smart_cron.core.run import HeldRun

# A claim is void this long after it was made (DESIGN §2): long enough for a busy machine, short enough to retry.
LAUNCH_WINDOW = timedelta(seconds=60)
# How long past its timeout and grace a supervisor that does not answer is surely killed by its task runner, and what it
# held recorded: after 10 seconds, and as much again for what will not go.
FROZEN_PATIENCE = timedelta(seconds=30)
# A node that ended in order may be one that a crontab line wakes once a minute.
BETWEEN_PASSES = timedelta(seconds=180)


class NodeState(StrEnum):
    """What is known of a node from its heartbeats."""

    ALIVE = "alive"
    SILENT = "silent"
    STOPPED = "stopped"
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """A node as it introduces itself. `identity` is the random id of its state directory, `tags` what it can do."""

    name: str
    identity: str
    boot_id: str
    host: str
    version: str
    master_pid: int
    max_concurrent: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node as the database knows it; instants are the database's own. `held` is how many runs it holds."""

    name: str
    identity: str
    boot_id: str
    host: str
    version: str
    master_pid: int | None
    max_concurrent: int
    tags: tuple[str, ...]
    heartbeats: int
    heartbeat_at: datetime | None
    started_at: datetime
    stopped_at: datetime | None
    forgotten_at: datetime | None
    held: int = 0

    def state(self, *, now: datetime, silence: timedelta) -> NodeState:
        """Return its state at the database's *now*, where *silence* is how long a living one may be quiet."""
        if self.forgotten_at is not None:
            return NodeState.FORGOTTEN
        if self.stopped_at is not None:
            return NodeState.STOPPED if now - self.stopped_at <= max(silence, BETWEEN_PASSES) else NodeState.SILENT
        heard_at = self.heartbeat_at or self.started_at
        return NodeState.ALIVE if now - heard_at <= silence else NodeState.SILENT

    @property
    def heard_at(self) -> datetime:
        """When it was heard of last."""
        return max(at for at in (self.heartbeat_at, self.stopped_at, self.started_at) if at is not None)


class HoldKind(StrEnum):
    """Why nothing is started anywhere, and with it how that is undone."""

    STOPPED = "stopped"  # `stop-all`; undone by `stop-all --resume`
    RESTORED = "restored"  # the database came from a backup; undone by `recover`
    MOVED = "moved"  # the database was moved elsewhere, or is on its way; undone by `db move --undo`
    ARRIVING = "arriving"  # a move into this database, or an adoption, has not ended; it goes when that has


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One reason for which nothing is started on any node. `kind` is a HoldKind, or what somebody wrote by SQL."""

    kind: str
    reason: str
    actor: str
    since: datetime | None


def lives_until(run: HeldRun, *, heard_at: datetime) -> datetime:
    """Return when this run of a node that was heard last at *heard_at* has surely ended.

    It was claimed before the node fell silent, launched within the launch window, and its supervisor ends it after its
    timeout and grace; a frozen supervisor is killed a little later.
    """
    allowed = timedelta(seconds=run.allowed_seconds)
    return max(run.claimed_at, heard_at) + LAUNCH_WINDOW + allowed + FROZEN_PATIENCE
