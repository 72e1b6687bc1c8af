"""Alerts that the database could not take: one file for each cause in the state directory, until they are entered.

Several processes write here: health checks and scripts put alarms in, a master notes whom it told and takes them out.
Each change is made under a lock on the folder, so that none is lost.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.alert_rules import graver
from smart_cron.core.delivery import Address
from smart_cron.core.output_copy import cut_message
from smart_cron.services.alerts.spool import FOLDER
from smart_cron.services.state_file import own_folder, write_in

PREFIX, SUFFIX = "alarm-", ".json"
# A script that raises alarms without end while the database is away must not fill the disk.
MOST_FILES = 500
MAX_BYTES = 200_000
DETAILS_CHARACTERS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """An alarm that happened so many `times` since then; `told` are those who heard of it, from `told_at` on."""

    alarm: Alarm
    since: datetime
    times: int = 1
    told: tuple[Address, ...] = ()
    told_at: datetime | None = None

    @property
    def name(self) -> str:
        """The name of its file: one for each cause."""
        cause = self.alarm.cause
        key = [cause.alert_type, cause.subtype, cause.task_id, cause.node, self.alarm.task_name]
        return f"{PREFIX}{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}{SUFFIX}"


class AlarmSpool:
    """The files of alarms. What cannot be read counts as none; what cannot be written raises OSError."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / FOLDER

    def put(self, alarm: Alarm, *, at: datetime) -> None:
        """Keep an alarm; one of a cause that is here already is counted up, and may only become graver."""
        fresh = Spooled(alarm=_bounded(alarm), since=at)

        def counted_up(known: Spooled | None) -> Spooled:
            if known is None:
                self._require_room()
                return fresh
            severity = graver(known.alarm.severity, alarm.severity)
            return replace(known, alarm=replace(fresh.alarm, severity=severity), times=known.times + 1)

        self._change(fresh.name, counted_up)

    def told(self, spooled: Spooled, address: Address, *, at: datetime) -> None:
        """Note that somebody has heard of it."""

        def known_to_one_more(known: Spooled | None) -> Spooled | None:
            return known and replace(known, told=(*known.told, address), told_at=known.told_at or at)

        self._change(spooled.name, known_to_one_more)

    def entered(self, spooled: Spooled) -> None:
        """Take out what the database has now; what happened since it was read stays."""

        def what_is_left(known: Spooled | None) -> Spooled | None:
            left = known.times - spooled.times if known else 0
            return replace(known, times=left) if known and left > 0 else None

        self._change(spooled.name, what_is_left)

    def all(self) -> list[Spooled]:
        """Return what is here, the oldest first."""
        found = [self._read(path) for path in self._files()]
        return sorted((each for each in found if each is not None), key=lambda each: (each.since, each.name))

    def _files(self) -> list[Path]:
        return list(self._folder.glob(f"{PREFIX}*{SUFFIX}"))

    def _require_room(self) -> None:
        if len(self._files()) >= MOST_FILES:
            raise OSError(errno.ENOSPC, f"{MOST_FILES} alarms wait there already", str(self._folder))

    def _change(self, name: str, changed: Callable[[Spooled | None], Spooled | None]) -> None:
        with own_folder(self._folder) as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            spooled = changed(self._read(self._folder / name))
            if spooled is not None:
                write_in(folder, name, json.dumps(_written(spooled)))
                return
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def _read(self, path: Path) -> Spooled | None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                return _spooled(json.loads(file.read(MAX_BYTES)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


def _bounded(alarm: Alarm) -> Alarm:
    """Return an alarm whose file can be read back, and whose row would be cut to the same."""
    text = json.dumps(dict(alarm.details), default=str)
    is_long = len(text) > DETAILS_CHARACTERS
    details = {"left_out": f"{len(text)} characters of details"} if is_long else json.loads(text)
    return replace(alarm, message=cut_message(alarm.message), details=details)


def _written(spooled: Spooled) -> Mapping[str, object]:
    alarm, cause = spooled.alarm, spooled.alarm.cause
    return {
        "alert_type": str(cause.alert_type),
        "subtype": cause.subtype,
        "task_id": cause.task_id,
        "node": cause.node,
        "severity": str(alarm.severity),
        "message": alarm.message,
        "task_name": alarm.task_name,
        "execution_id": alarm.execution_id,
        "details": dict(alarm.details),
        "since": spooled.since.isoformat(),
        "times": spooled.times,
        "told": [[address.channel, address.target] for address in spooled.told],
        "told_at": None if spooled.told_at is None else spooled.told_at.isoformat(),
    }


def _spooled(of: dict[str, Any]) -> Spooled:
    cause = Cause(alert_type=AlertType(of["alert_type"]), subtype=of["subtype"], task_id=of["task_id"], node=of["node"])
    return Spooled(
        alarm=Alarm(
            cause=cause,
            severity=Severity(of["severity"]),
            message=str(of["message"]),
            task_name=of["task_name"],
            execution_id=of["execution_id"],
            details=dict(of["details"]),
        ),
        since=datetime.fromisoformat(of["since"]),
        times=int(of["times"]),
        told=tuple(Address(channel, target) for channel, target in of["told"]),
        told_at=None if of["told_at"] is None else datetime.fromisoformat(of["told_at"]),
    )
