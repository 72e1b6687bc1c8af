"""What the database tells, read once for all probes, and what starts Smart Cron on this machine: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.builtin import is_builtin
from smart_cron.core.node import Hold, NodeRecord, NodeState
from smart_cron.core.ports.health import Backlog
from smart_cron.core.run import Status
from smart_cron.core.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LastFailure:
    """How a task failed last: *message* as it was recorded, *last_line* of what it printed as an error."""

    run_id: int
    status: str
    message: str
    exit_code: int | None = None
    last_line: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """The database's tables as the probes need them. *now* is the database's clock, *offset* how far it is ahead.

    *held* and *pending* are executions that a node holds and that wait, as `HistoryStore.runs` gives them; *failures*
    are the last ones of tasks that fail, by task id. *held_slots* counts slots that wait for a person, *undelivered*
    are messages that did not go out.
    """

    now: datetime
    offset: timedelta = timedelta()
    tasks: Sequence[Task] = ()
    holds: Sequence[Hold] = ()
    nodes: Sequence[NodeRecord] = ()
    held: Sequence[Mapping[str, Any]] = ()
    pending: Sequence[Mapping[str, Any]] = ()
    failures: Mapping[int, LastFailure] = field(default_factory=dict)
    held_slots: int = 0
    undelivered: Backlog = field(default_factory=Backlog)

    @property
    def enabled(self) -> list[Task]:
        """The tasks that are meant to run, built-in ones too."""
        return [task for task in self.tasks if task.definition.enabled]

    @property
    def own(self) -> list[Task]:
        """The tasks that people made: a home that has none of these yet lacks nothing."""
        return [task for task in self.tasks if not is_builtin(task.definition)]

    @property
    def wanted(self) -> list[Task]:
        """Those of people's tasks that are meant to run."""
        return [task for task in self.own if task.definition.enabled]

    def living(self, silence: timedelta) -> list[NodeRecord]:
        """Return the nodes that take part now."""
        well = (NodeState.ALIVE, NodeState.STOPPED)
        return [node for node in self.nodes if node.state(now=self.now, silence=silence) in well]

    def busy_tasks(self) -> set[int]:
        """Return the ids of tasks of which a node holds an execution."""
        return {row["task_id"] for row in self.held}

    def waiting(self, *statuses: Status) -> list[Mapping[str, Any]]:
        """Return the executions that wait in one of these ways, the oldest first."""
        return sorted((row for row in self.pending if row["status"] in statuses), key=lambda row: int(row["id"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A way out for alerts: the *channel*, where it leads in *words*, and how its last test failed, or nothing."""

    channel: str
    words: str
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starters:
    """What starts Smart Cron without a person. *crontab* names where our line stands; *units* are unit files of ours.

    *unreadable* says why the crontab could not be read, where it could not.
    """

    crontab: str = ""
    units: Sequence[str] = ()
    systemd: bool = False
    unreadable: str = ""


def service_call(action: str, service: str, *, systemd: bool) -> str:
    """Return the command that does *action* to a service of this machine, with systemd or as Debian has it without."""
    return f"systemctl {action} {service}" if systemd else f"service {service} {action}"
