"""A database that moves from one server to another: what is told of it, as values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from smart_cron.core.errors import SmartCronError

# How many invalid rows are told one by one; the rest is a number.
MOST_TOLD = 20


class OnInvalid(StrEnum):
    """What becomes of a value that the new database cannot hold, or that the old one cannot say truly."""

    REFUSE = "refuse"  # nothing moves before somebody has mended it
    MEND = "mend"  # the nearest value that it can hold takes its place
    LEAVE_OUT = "leave-out"  # the row stays behind


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidValue:
    """A value that cannot move as it is."""

    table: str
    row_id: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"{self.table} {self.row_id}, {self.column}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMoved:
    """One table as it stands on both sides: rows, the sum of them in one form, and how many were there already."""

    table: str
    rows: int
    checksum: str
    resumed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveProgress:
    """How far a table is. `share` is between 0 and 1, `step` what is done with it."""

    table: str
    step: str
    rows: int
    share: float


Tell = Callable[[MoveProgress], None]


class Invalids:
    """The invalid values met so far: the first ones in full, of the rest how many."""

    def __init__(self) -> None:
        self.told: list[InvalidValue] = []
        self.count = 0

    def add(self, values: Sequence[InvalidValue]) -> None:
        """Note these."""
        self.count += len(values)
        self.told += values[: max(0, MOST_TOLD - len(self.told))]


class MoveRefusedError(SmartCronError):
    """The move cannot begin or go on as things stand; nothing is lost on either side."""


class InvalidRowsError(MoveRefusedError):
    """Values that the new database cannot hold; nothing was changed for their sake."""

    def __init__(self, found: Invalids) -> None:
        told = "; ".join(map(str, found.told))
        rest = f"; and {found.count - len(found.told)} more" if found.count > len(found.told) else ""
        many = "1 value" if found.count == 1 else f"{found.count} values"
        super().__init__(
            f"{many} cannot move as they are: {told}{rest}.",
            remedy="Mend them by SQL, or choose: '--invalid mend' takes the nearest value, '--invalid leave-out' "
            "leaves such rows behind; both tell each.",
        )
        self.found = found


class ChecksumError(SmartCronError):
    """A table is not the same on both sides."""

    def __init__(self, table: str, *, here: int, there: int) -> None:
        what = f"{here} rows here, {there} there" if here != there else f"{here} rows on both sides, of other content"
        super().__init__(
            f"the table {table} is not the same on both sides after it was copied ({what}).",
            remedy="Something writes to one of them: end it (dashboards, SQL clients), then call this again.",
        )
        self.table, self.here, self.there = table, here, there


class DatabaseMovedError(SmartCronError):
    """This database was moved elsewhere, or a move into it has not ended: no master works with it."""
