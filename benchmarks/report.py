"""Figures and the table of them: medians with their spread, beside what is to be reached."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

HEADINGS = ("what", "figure", "median", "min .. max", "unit", "target", "reached")


@dataclass(frozen=True, slots=True)
class Target:
    """What the median must reach: at least or at most this."""

    limit: float
    at_least: bool = False

    def is_reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One quantity of one subject, measured once a repeat. Without values `note` says why there are none."""

    section: str
    subject: str
    quantity: str
    unit: str
    values: Sequence[float] = field(default_factory=tuple)
    target: Target | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def is_reached(self) -> bool | None:
        """Whether the median reaches the target; None where there is no target or no value."""
        if self.target is None or self.median is None:
            return None
        return self.target.is_reached(self.median)

    def as_dict(self) -> dict[str, object]:
        """Return the figure for JSON."""
        return {
            "section": self.section,
            "subject": self.subject,
            "quantity": self.quantity,
            "unit": self.unit,
            "median": self.median,
            "values": list(self.values),
            "target": None if self.target is None else str(self.target),
            "reached": self.is_reached,
            "note": self.note,
        }

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table, in the order of HEADINGS."""
        if self.median is None:
            return (self.subject, self.quantity, "-", "", self.unit, str(self.target or ""), self.note or "-")
        spread = f"{number(min(self.values))} .. {number(max(self.values))}" if len(self.values) > 1 else ""
        reached = {True: "yes", False: "NO", None: ""}[self.is_reached]
        return (self.subject, self.quantity, number(self.median), spread, self.unit, str(self.target or ""), reached)


def number(value: float) -> str:
    """Return *value* with three digits that count, and all of its whole ones."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as plain text, a section each with its columns aligned."""
    sections: dict[str, list[Figure]] = {}
    for figure in figures:
        sections.setdefault(figure.section, []).append(figure)
    return "\n\n".join(_section(name, rows) for name, rows in sections.items())


def _section(name: str, figures: Sequence[Figure]) -> str:
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [_line(row, widths) for row in rows]
    notes = dict.fromkeys(figure.note for figure in figures if figure.note and figure.values)
    return "\n".join([name, "-" * len(name), *lines, *(f"  {note}" for note in notes)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    # Numbers stand right, words left.
    cells = [
        cell.rjust(width) if column == 2 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def as_json(figures: Iterable[Figure], *, machine: dict[str, object]) -> str:
    """Return machine and figures as one JSON document."""
    return json.dumps({"machine": machine, "figures": [figure.as_dict() for figure in figures]}, indent=2)
