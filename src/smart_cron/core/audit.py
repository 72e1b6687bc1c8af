"""The audit log as values: who changed what and from where, and the chain that seals its rows.

Each row's `row_hash` is the SHA-256 of its columns and of the hash of the row before it, so that an edit, a gap or a
swap breaks the chain at that place. The chain has no secret: who may write everything can forge it from some row on to
its end. Against that stand the head that is remembered elsewhere, and an account that may only add rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

# What the first sealed row has for the hash of the row before it: there was none, or none that was sealed.
GENESIS = "0" * 64
# Made once: `json.dumps` would make an encoder for each row.
_json = json.JSONEncoder(separators=(",", ":")).encode
# So many bad rows are described; the others are counted.
DESCRIBED = 20
# What of a row is sealed, in this order, with the hash of the row before it behind.
SEALED_COLUMNS = (
    "created_at",
    "actor",
    "user_id",
    "source",
    "ip_address",
    "action",
    "entity_type",
    "entity_id",
    "entity_name",
    "old_values",
    "new_values",
)


class Source(StrEnum):
    """From where a change came."""

    CLI = "cli"
    API = "api"
    PAGE = "page"
    SQL = "sql"
    ENGINE = "engine"
    ALERT = "alert"


class Actor(str):
    """Who asks, by the name that people read, with what the audit wants to know beside it.

    A text, so that it can be handed wherever a name is told.
    """

    __slots__ = ("ip_address", "source", "user_id")
    source: Source
    user_id: int | None
    ip_address: str | None

    def __new__(cls, name: str, *, source: Source, user_id: int | None = None, ip_address: str | None = None) -> Self:
        made = super().__new__(cls, name)
        made.source, made.user_id, made.ip_address = source, user_id, ip_address
        return made


def as_actor(name: str) -> Actor:
    """Return who this is; of a bare name only its form tells from where it comes."""
    if isinstance(name, Actor):
        return name
    kinds = {"cli:": Source.CLI, "node ": Source.ENGINE}
    found = next((source for beginning, source in kinds.items() if name.startswith(beginning)), Source.API)
    return Actor(name, source=found)


# Whoever has a client and an account of the database; the server does not tell us who.
BY_SQL = Actor("sql", source=Source.SQL)
# Enters what was there before there was anything to enter it in.
BY_UPGRADE = Actor("upgrade", source=Source.ENGINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row of the audit log; old and new values are JSON, None where there are none."""

    id: int
    created_at: datetime | None
    actor: str
    user_id: int | None
    source: str | None
    ip_address: str | None
    action: str
    entity_type: str
    entity_id: int | None
    entity_name: str | None
    old_values: str | None
    new_values: str | None
    row_hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows are asked for; None asks for all. `task` is a name, `task_id` its number where there is one."""

    since: datetime | None = None
    until: datetime | None = None
    user: str | None = None
    action: str | None = None
    task: str | None = None
    task_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """Where the chain ends: how many rows are sealed, and number and hash of the last."""

    sealed_rows: int
    last_id: int | None
    row_hash: str | None


class Fault(StrEnum):
    """What is wrong with a row, or behind the last."""

    CHANGED = "changed"
    MISSING_BEFORE = "missing before"
    NOT_SEALED = "not sealed"
    HEAD_CUT = "head cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A place where the log is not as it was written; `id` is None where there is no row to name."""

    id: int | None
    fault: Fault
    sentence: str


@dataclass(slots=True, kw_only=True)
class AuditReport:
    """What a look through the whole log found. `unsealed_before` rows are older than the chain and prove nothing."""

    sealed: int = 0
    unsealed_before: int = 0
    first_sealed_id: int | None = None
    bad: list[BadRow] = field(default_factory=list)
    bad_rows: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every row since the beginning of the chain is as it was written."""
        return not self.bad_rows


def seal(columns: Sequence[object], previous_hash: str) -> str:
    """Return the hash of a row: of its `SEALED_COLUMNS` and the hash before it, as one JSON list without blanks."""
    return hashlib.sha256(_json([*columns, previous_hash]).encode("ascii")).hexdigest()


class ChainCheck:
    """Takes the rows one by one, in the order of their numbers, and holds each against the one before it.

    `remembered` are heads that were seen earlier: they must still be in the chain.
    """

    def __init__(self, head: AuditHead | None, remembered: Sequence[AuditHead] = ()) -> None:
        self._head, self._due = head, {each.row_hash: each for each in remembered if each.row_hash}
        self._head_is_due = head is not None and head.row_hash is not None
        self._before: str | None = None
        self._sealed_at_head = 0
        self.report = AuditReport()

    def take(self, number: int, columns: Sequence[object], previous_hash: str | None, row_hash: str | None) -> None:
        """Judge one row; *columns* are its `SEALED_COLUMNS`, the instant as text."""
        if row_hash is None:
            self._take_unsealed(number)
            return
        report = self.report
        report.sealed += 1
        if report.first_sealed_id is None:
            report.first_sealed_id = number
        if previous_hash != (self._before or GENESIS):
            self._say(number, Fault.MISSING_BEFORE, "what stood before it is gone, or the order was changed")
        # Held against what the row itself names, so that a gap before it is told once and not as an edit, too.
        if seal(columns, previous_hash or "") != row_hash:
            self._say(number, Fault.CHANGED, "its values are not those that were sealed")
        self._before = row_hash
        self._due.pop(row_hash, None)
        if self._head_is_due and self._head is not None and row_hash == self._head.row_hash:
            self._head_is_due, self._sealed_at_head = False, report.sealed

    def _take_unsealed(self, number: int) -> None:
        if self._before is None:
            self.report.unsealed_before += 1
            return
        self._say(number, Fault.NOT_SEALED, "it was not written by Smart Cron")

    def close(self) -> AuditReport:
        """Judge the end, once every row was taken."""
        if self._head is None:
            if self.report.sealed:
                self._say(None, Fault.HEAD_CUT, "the row that says where the log ends is gone")
        elif self._head_is_due:
            self._say(
                self._head.last_id, Fault.HEAD_CUT, f"the log must reach to row {self._head.last_id}, and does not"
            )
        elif self._head.row_hash is None and self.report.sealed:
            self._say(None, Fault.HEAD_CUT, "the row that says where the log ends was set back")
        elif self.report.is_whole and self._head.sealed_rows != self._sealed_at_head:
            counted = (
                f"{self._head.sealed_rows} sealed rows were counted up to it, and {self._sealed_at_head} are there"
            )
            self._say(self._head.last_id, Fault.HEAD_CUT, counted)
        for each in self._due.values():
            self._say(each.last_id, Fault.HEAD_CUT, "this node remembers this row, and it is gone or another")
        return self.report

    def _say(self, number: int | None, fault: Fault, sentence: str) -> None:
        self.report.bad_rows += 1
        if len(self.report.bad) < DESCRIBED:
            self.report.bad.append(BadRow(id=number, fault=fault, sentence=sentence))
