"""A row in the one form that both sides are compared in, and what does not fit into the new database.

Whole numbers are int, others float, texts str, instants `YYYY-MM-DD HH:MM:SS.ffffff` in UTC. `fits` is the way of
nearly every row and is counted in microseconds; only what it gives up on is looked at column by column.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import Any

from smart_cron.core.move import InvalidValue
from smart_cron.core.output_copy import copy_text
from smart_cron.store.dialects import FLOAT, INSTANT, INT, TEXT, Dialect
from smart_cron.store.moving.shape import SINGLE, Column, Table

Row = list[Any]
_FORM = re.compile(r"(?!0000)\d{4}-(?!00)\d\d-(?!00)\d\d \d\d:\d\d:\d\d\.\d{6}", re.ASCII).fullmatch
_TYPES: dict[str, type] = {INT: int, FLOAT: float, SINGLE: float, TEXT: str, INSTANT: str}
_UNREADABLE = "\ufffd"
# What an instant of a server can be: TIMESTAMP's range, and what the check of ours allows on PostgreSQL and SQLite.
_MYSQL_INSTANTS = ("1970-01-01 00:00:01.000000", "2038-01-19 03:14:07.999999")
_INSTANTS = ("0001-01-02 00:00:00.000000", "9999-12-30 23:59:59.999999")
_single = struct.Struct("<f")


class Canon:
    """Brings rows of one table, as dialect *source* gave them, into the one form, for a database of dialect *target*.

    *narrow* says that FLOATs have seven digits, as MariaDB's and MySQL's do on whichever side they stand. What the
    source's own types vouch for is not looked at again, since each look costs as much as the writing of a value; it is
    where *is_checked*, for rows of tables that are not ours.
    """

    def __init__(
        self, table: Table, *, source: Dialect, target: Dialect, narrow: bool, is_checked: bool = False
    ) -> None:
        self._table, self._source, self._target = table, source, target
        columns, vendor = list(enumerate(table.columns)), target.name
        is_other = is_checked or source.name != vendor
        is_lax = is_checked or source.name == "sqlite" != vendor
        self._narrow = narrow
        self._singles = [at for at, column in columns if column.kind == SINGLE and narrow]
        self._floats = [at for at, column in columns if column.kind in (FLOAT, SINGLE) and at not in self._singles]
        self._instants = [at for at, column in columns if column.kind == INSTANT and (is_other or vendor == "sqlite")]
        self._range = _MYSQL_INSTANTS if vendor == "mysql" else _INSTANTS
        # In characters at first: no text of so many is longer in bytes.
        self._lengths = [
            (at, length)
            for at, column in columns
            if (is_lax or (is_other and not column.characters)) and (length := _length(column, vendor)) is not None
        ]
        self._spans = [
            (at, *span) for at, column in columns if is_other and (span := column.span_on(vendor)) is not None
        ]
        self._texts = (
            [at for at, column in columns if column.kind == TEXT] if is_other and vendor == "postgresql" else []
        )
        # By the types of a row's values, whether each is what its column holds: nearly all rows share a few of these.
        self._known: dict[tuple[type, ...], bool] = {}

    def fits(self, row: Row) -> bool:
        """Bring the row into the one form, in place; False where a value has to be looked at, and is left alone."""
        for at in self._floats:
            if type(row[at]) is int:
                row[at] = float(row[at])
        types = tuple(map(type, row))
        known = self._known.get(types)
        if known is None:
            known = self._known[types] = self._types_fit(types)
        return known and self._values_fit(row)

    def _types_fit(self, types: Sequence[type]) -> bool:
        return all(_type_fits(column, found) for column, found in zip(self._table.columns, types, strict=True))

    def _values_fit(self, row: Row) -> bool:
        """One loop a kind, without a call a value: this is asked a million times a minute."""
        first, last = self._range
        for at in self._instants:
            value = row[at]
            if value is not None and not (_FORM(value) and first <= value <= last):
                instant = self._instant(value)
                if instant is None or not first <= instant <= last:
                    return False
                row[at] = instant
        for at, most in self._lengths:
            value = row[at]
            if value is not None and len(value) > most:
                return self._texts_fit(row)
        for at in self._texts:
            value = row[at]
            if value is not None and "\0" in value:
                return False
        for at, smallest, greatest in self._spans:
            value = row[at]
            if value is not None and not smallest <= value <= greatest:
                return False
        return self._floats_fit(row)

    def _texts_fit(self, row: Row) -> bool:
        columns = self._table.columns
        held = all(
            row[at] is None or columns[at].kind != TEXT or self._text_fault(columns[at], row[at]) is None
            for at in range(len(columns))
        )
        spans = all(row[at] is None or low <= row[at] <= high for at, low, high in self._spans)
        return held and spans and self._floats_fit(row)

    def _floats_fit(self, row: Row) -> bool:
        for at in self._floats:
            value = row[at]
            if value is not None and not math.isfinite(value):
                return False
        for at in self._singles:
            value = row[at]
            if value is not None:
                kept = single(value)
                if kept is None:
                    return False
                row[at] = kept
        return True

    def _instant(self, value: str) -> str | None:
        found = self._source.read_instant(value)
        return None if found is None else f"{found:%Y-%m-%d %H:%M:%S.%f}".rjust(26, "0")

    def faults(self, row: Row, unreadable: Sequence[str] = ()) -> list[InvalidValue]:
        """Return what is wrong with a row for which there is no line; *unreadable* are columns of bytes."""
        pairs = zip(self._table.columns, row, strict=True)
        found = [(column, self._fault(column, value, unreadable)) for column, value in pairs]
        return [
            InvalidValue(table=self._table.name, row_id=row[0], column=column.name, reason=reason)
            for column, reason in found
            if reason is not None
        ]

    def _fault(self, column: Column, value: Any, unreadable: Sequence[str]) -> str | None:
        if value is None:
            return "it is empty, and must not be" if column.is_required else None
        if column.name in unreadable:
            return "bytes that are no text"
        if not _type_fits(column, type(value)):
            return f"{_shown(value)} is not of the column's kind"
        if column.kind == INSTANT:
            return self._instant_fault(value)
        if column.kind in (FLOAT, SINGLE):
            is_held = math.isfinite(value) and (column.kind == FLOAT or not self._narrow or single(value) is not None)
            return None if is_held else f"{value} is no number that can be held there"
        return self._text_fault(column, value) if column.kind == TEXT else self._number_fault(column, value)

    def _instant_fault(self, value: str) -> str | None:
        instant = self._instant(value)
        if instant is None:
            return f"{_shown(value)} is no date"
        first, last = self._range
        return None if first <= instant <= last else f"{instant} is out of the range {first[:10]} to {last[:10]}"

    def _text_fault(self, column: Column, value: str) -> str | None:
        if self._target.name == "postgresql" and "\0" in value:
            return "a NUL character, which PostgreSQL cannot hold"
        if column.characters is not None and len(value) > column.characters:
            return f"{len(value)} characters, where {column.characters} fit"
        most = column.bytes_on(self._target.name)
        size = len(value.encode()) if most is not None else 0
        return f"{size} bytes, where {most} fit" if most is not None and size > most else None

    def _number_fault(self, column: Column, value: int) -> str | None:
        span = column.span_on(self._target.name)
        return None if span is None or span[0] <= value <= span[1] else f"{value} is out of {span[0]} to {span[1]}"

    def mended(self, row: Row, unreadable: Sequence[str] = ()) -> list[InvalidValue]:
        """Put the nearest value that the new database can hold where one cannot move; return what was wrong."""
        faults = self.faults(row, unreadable)
        wrong = {fault.column for fault in faults}
        for at, column in enumerate(self._table.columns):
            if column.name in wrong:
                row[at] = self._mended(column, row[at])
        if not self.fits(row):
            raise AssertionError(f"{self._table.name} {row[0]} does not fit, mended as it is: {faults}")
        return faults

    def _mended(self, column: Column, value: Any) -> Any:
        mend = {TEXT: self._mended_text, INT: self._mended_number, INSTANT: self._mended_instant}
        mended = None if value is None else mend.get(column.kind, self._mended_float)(column, value)
        if mended is not None or not column.is_required:
            return mended
        if column.default is not None:
            return column.default
        return {TEXT: "", INT: 0, INSTANT: self._range[0]}.get(column.kind, 0.0)

    def _mended_text(self, column: Column, value: Any) -> str:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        if self._target.name == "postgresql":
            text = text.replace("\0", _UNREADABLE)
        most = column.bytes_on(self._target.name)
        return text[: column.characters] if most is None else copy_text(text.encode(), most)

    def _mended_number(self, column: Column, value: Any) -> int | None:
        number = _number(value)
        if number is None:
            return None
        smallest, greatest = column.span_on(self._target.name) or (-(2**63), 2**63 - 1)
        return int(min(max(number, smallest), greatest))

    def _mended_float(self, column: Column, value: Any) -> float | None:
        number = _number(value)
        return number if number is None or column.kind == FLOAT or not self._narrow else single(number)

    def _mended_instant(self, column: Column, value: Any) -> str | None:
        instant = self._instant(value) if isinstance(value, str) else None
        if instant is None or not column.is_required:
            return None
        return min(max(instant, self._range[0]), self._range[1])


def _length(column: Column, vendor: str) -> int | None:
    most = column.bytes_on(vendor)
    return column.characters if most is None else most // 4


def _type_fits(column: Column, found: type) -> bool:
    return found is _TYPES[column.kind] or (found is type(None) and not column.is_required)


def single(value: float) -> float | None:
    """Return what a FLOAT of seven digits keeps of a number, in as few digits as tell it; None where it holds none."""
    try:
        (kept,) = _single.unpack(_single.pack(value))
    except OverflowError:
        return None
    if not math.isfinite(kept):
        return None
    short = float(f"{kept:.7g}")
    return short if _single.unpack(_single.pack(short))[0] == kept else kept


def _number(value: Any) -> float | int | None:
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
