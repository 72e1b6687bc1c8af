"""A task's definition as it was saved, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One saved definition; `values` are columns of the task, secrets among them. Numbered from 1 for each task."""

    task_id: int
    task_name: str
    number: int
    values: Values
    saved_at: datetime | None
    actor: str
    source: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Names of tasks that SQL added, changed or deleted, and how many were entered that were there before."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    entered: int = 0


def differing(old: Values, new: Values) -> list[str]:
    """Return the names of columns that both have and that differ.

    What only one of them has came or went with another version of the program, and nobody decided it.
    """
    return [name for name in new if name in old and old[name] != new[name]]
