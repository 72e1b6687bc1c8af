"""What watches over the audit log beside a master: changes made by SQL, settings that changed, and where the log ends.

What must be known of an earlier look stands in the state directory: the settings as they were seen, secrets as salted
hashes only, and the end of the log, which a database that was tampered with cannot take back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from smart_cron.core.audit import Actor, AuditHead, Source
from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.ports import Log, TaskStore
from smart_cron.core.ports.audit import AuditStore, RevisionStore

HEAD_FILE = "audit-head.json"
SETTINGS_FILE = "settings-seen.json"
HIDDEN = "(hidden)"
_MAX_BYTES = 1_000_000
# Every definition is compared with the one that was seen last. With many tasks that is done the more seldom, so that
# it takes no more than one part in so many of a core; but once an hour always.
SHARE = 2_000
LONGEST_SECONDS = 3_600.0
# In a log line: whose names are more has the rest in the audit log.
_NAMED = 20

# A setting by its dotted name: its value, and whether it is a secret.
Settings = Mapping[str, tuple[object, bool]]


class HeadMemory:
    """The end of the audit log as this node saw it last. None where it saw none, or where it is to begin anew."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / HEAD_FILE

    def read(self) -> AuditHead | None:
        found = _read(self._path)
        number, row_hash, rows = found.get("id"), found.get("row_hash"), found.get("sealed_rows")
        if not (isinstance(number, int) and isinstance(row_hash, str) and isinstance(rows, int)):
            return None
        return AuditHead(sealed_rows=rows, last_id=number, row_hash=row_hash)

    def write(self, head: AuditHead) -> None:
        """Raise OSError where it cannot be kept."""
        _write(self._path, {"id": head.last_id, "row_hash": head.row_hash, "sealed_rows": head.sealed_rows})


class AuditWatch:
    """Looks now and then; what it finds is in the audit log afterwards."""

    def __init__(
        self,
        *,
        audit: AuditStore,
        revisions: RevisionStore,
        state_dir: Path,
        node: str,
        settings: Settings,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock, self._notice_at = clock, 0.0
        self._audit, self._revisions, self._log = audit, revisions, log
        self._state_dir, self._node, self._settings = state_dir, node, settings
        self._memory = HeadMemory(state_dir)
        self._settings_are_told = self._loss_is_told = False

    def look(self) -> None:
        """Enter what SQL changed and what of the settings did, and remember where the log ends."""
        if not self._settings_are_told:
            self._tell_settings()
            self._settings_are_told = True
        if self._clock() >= self._notice_at:
            self._notice_sparingly()
        self._remember()

    def _notice_sparingly(self) -> None:
        began = self._clock()
        self._notice()
        ended = self._clock()
        self._notice_at = ended + min((ended - began) * SHARE, LONGEST_SECONDS)

    def _notice(self) -> None:
        noticed = self._revisions.notice()
        for done, names in (("added", noticed.added), ("changed", noticed.changed), ("deleted", noticed.deleted)):
            if names:
                self._log.info(f"Tasks were {done} by SQL", count=len(names), tasks=", ".join(names[:_NAMED]))
        alerts = self._revisions.notice_alerts()
        if alerts:
            self._log.info("Alerts were acknowledged or resolved by SQL", count=alerts)
        others = self._revisions.notice_others()
        if others:
            self._log.info("Holds or pings were changed by SQL", count=others)

    def _remember(self) -> None:
        known, head = self._memory.read(), self._audit.head()
        if known is not None and not self._audit.holds(known):
            # Kept as it is: it is the proof.
            if not self._loss_is_told:
                self._log.error(
                    "The audit log lost a row that this node remembers", row=known.last_id, sealed=known.sealed_rows
                )
            self._loss_is_told = True
            return
        self._loss_is_told = False
        if head is not None and head.row_hash is not None and head != known:
            self._memory.write(head)

    def _tell_settings(self) -> None:
        path = self._state_dir / SETTINGS_FILE
        kept = _read(path)
        salt = str(kept.get("salt") or secrets.token_hex(16))
        seen = kept.get("settings")
        now = {name: _digest(salt, value) if secret else value for name, (value, secret) in self._settings.items()}
        if isinstance(seen, dict) and seen != now:
            changed = sorted(name for name in {*seen, *now} if seen.get(name) != now.get(name))
            self._audit.note(
                "change settings",
                actor=Actor(f"node {self._node}", source=Source.ENGINE),
                entity=("setting", 0, self._node),
                old={name: self._shown(name, seen.get(name)) for name in changed},
                new={name: self._shown(name, now.get(name)) for name in changed},
            )
            self._log.info("Settings differ from those that were seen last", settings=", ".join(changed))
        if seen != now:
            _write(path, {"salt": salt, "settings": now})

    def _shown(self, name: str, value: object) -> object:
        is_secret = self._settings.get(name, (None, False))[1] or (isinstance(value, str) and value[:5] == "hmac:")
        return HIDDEN if is_secret and value else value


def _digest(salt: str, value: object) -> str:
    """Return what tells that a secret is another one, and nothing else of it."""
    if not value:
        return ""
    return "hmac:" + hmac.new(salt.encode(), str(value).encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _read(path: Path) -> Mapping[str, object]:
    """Return what was kept; nothing where the file is missing, torn or closed to us."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, document: Mapping[str, object]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        part.unlink()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if os.geteuid() == 0:
                # What root looked at must stay readable for the service user.
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            json.dump(document, file, indent=1)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def remembered(state_dir: Path) -> Sequence[AuditHead]:
    """Return the heads that `audit verify` must find in the log."""
    head = HeadMemory(state_dir).read()
    return [] if head is None else [head]


def forget_head(state_dir: Path) -> None:
    """Begin anew, since the database is another one, and somebody said so."""
    with suppress(FileNotFoundError):
        (state_dir / HEAD_FILE).unlink()


def number_of(tasks: TaskStore, name: str) -> int | None:
    """Return the number of a task, under which its runs stand in the audit log; None for one that is gone."""
    try:
        return tasks.get(name).id
    except UnknownTaskError:
        return None
