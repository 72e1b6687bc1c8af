"""Slots that wait for a person: a range of them taken apart into what is decided and what waits on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from smart_cron.core.ledger import LedgerRange


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRange:
    """A stored range of held slots, by its number."""

    number: int
    task_id: int
    range: LedgerRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Consecutive slots of a range that share their fate: `chosen` ones are decided now."""

    first: datetime
    last: datetime
    count: int
    chosen: bool


def pieces(slots: Iterable[datetime], chosen: AbstractSet[datetime]) -> Iterator[Piece]:
    """Yield the range's *slots*, earliest first, as pieces that are wholly chosen or wholly not."""
    for is_chosen, group in groupby(slots, key=chosen.__contains__):
        members = list(group)
        yield Piece(first=members[0], last=members[-1], count=len(members), chosen=is_chosen)
