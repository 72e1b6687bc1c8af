"""What a row in an INSERT of a dump may consist of: literals. A call of a function, a subquery or a name is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_NUMBER = rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
# Possessive (++, *+): what has matched is not tried again in other ways, so that no text can make this slow.
MYSQL_STRING = rb"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
SQLITE_STRING = rb"'[^']*+(?:''[^']*+)*+'"


@dataclass(frozen=True, slots=True)
class Grammar:
    """The literals of a dialect: one value, and a row of them in parentheses."""

    value: re.Pattern[bytes]
    row: re.Pattern[bytes]


def _grammar(*values: bytes) -> Grammar:
    value = b"(?:" + b"|".join(values) + b")"
    return Grammar(
        value=re.compile(value, re.DOTALL), row=re.compile(rb"\(" + value + rb"(?:, ?" + value + rb")*+\)", re.DOTALL)
    )


MYSQL = _grammar(rb"NULL", MYSQL_STRING, rb"0x[0-9A-Fa-f]+", _NUMBER, rb"(?:_binary |_utf8mb4 ?)" + MYSQL_STRING)
SQLITE = _grammar(
    rb"NULL",
    SQLITE_STRING,
    _NUMBER,
    rb"[xX]'[0-9A-Fa-f]*+'",
    rb"CAST\([xX]'[0-9A-Fa-f]*+' AS TEXT\)",
    # As the client of SQLite writes texts of several lines.
    rb"replace\(" + SQLITE_STRING + rb",'\\n',char\(10\)\)",
    rb"replace\(" + SQLITE_STRING + rb",'\\r',char\(13\)\)",
    rb"replace\(replace\(" + SQLITE_STRING + rb",'\\r',char\(13\)\),'\\n',char\(10\)\)",
)


def rows_in(text: bytes, at: int, grammar: Grammar, refuse: Callable[[str], Exception]) -> tuple[list[bytes], bool]:
    """Return the rows that stand in *text* from *at* on, and whether the statement ends with them."""
    rows, match = [], grammar.row.match
    while True:
        found = match(text, at)
        if found is None:
            raise refuse("a row holds something else than plain values")
        rows.append(found[0])
        at = found.end()
        mark = text[at : at + 1]
        if mark == b"," and at + 1 < len(text):
            at += 1
            while text[at : at + 1] in (b" ", b"\n"):
                at += 1
            continue
        rest = text[at:].strip()
        if rest not in (b",", b";"):
            raise refuse("rows are followed by something else than their end")
        return rows, rest == b";"


def values_in(row: bytes, grammar: Grammar) -> list[bytes]:
    """Return the values of a row."""
    return grammar.value.findall(row, 1, len(row) - 1)
