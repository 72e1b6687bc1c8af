"""What makes a move safe on the old database's side: nobody works with it, and nobody will."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from smart_cron.core.move import MoveRefusedError
from smart_cron.core.node import Hold, HoldKind, NodeRecord, NodeState
from smart_cron.store.moving.arrival import mark_in, with_mark

if TYPE_CHECKING:
    from smart_cron.wiring import House

_ENDED, _UNDER_WAY = "it was moved to ", "it moves to "
_PLACE = re.compile(rf"(?:{_ENDED}|{_UNDER_WAY})(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Who else works with the old database: names of nodes that must be told the new one's URL."""

    others: tuple[str, ...]
    running_here: int


def require_quiet(house: House) -> Situation:
    """Raise MoveRefusedError, naming them, where another node is at work or holds runs. This node's own may go on.

    Their run files are here, and what they tell is entered into the new database, where the same rows wait for it.
    """
    now, silence = house.store.database.now(), timedelta(seconds=house.config.node_silence_seconds)
    records = [record for record in house.store.nodes.nodes() if record.forgotten_at is None]
    others = [record for record in records if record.name != house.config.node_name]
    alive = [record.name for record in others if record.state(now=now, silence=silence) is NodeState.ALIVE]
    if alive:
        raise MoveRefusedError(
            f"masters work with this database on {', '.join(alive)}.",
            remedy="Stop them: running tasks go on. One that was killed counts as gone "
            f"{silence.total_seconds():g} s after its last heartbeat.",
        )
    _refuse_runs(others)
    here = sum(record.held for record in records if record.name == house.config.node_name)
    return Situation(others=tuple(record.name for record in others), running_here=here)


def _refuse_runs(others: Sequence[NodeRecord]) -> None:
    holding = [f"{record.held} on {record.name}" for record in others if record.held]
    if holding:
        raise MoveRefusedError(
            f"other nodes hold runs: {', '.join(holding)}. How they ended is known there alone.",
            remedy="Let their masters record them ('smart-cron stop-all' ends them), or 'smart-cron node forget NAME' "
            "for one that is gone for good; then stop those masters.",
        )


def hold_starts(house: House, *, shown_url: str, actor: str) -> str:
    """Hold starts on the old database for good, unless they are; return the name of the move.

    Raise MoveRefusedError where it was moved away already, to another database than this.
    """
    hold = moved_hold(house)
    if hold is None:
        token = uuid4().hex
        house.store.holds.hold(HoldKind.MOVED, reason=with_mark(f"{_UNDER_WAY}{shown_url}", token), actor=actor)
        return token
    mark = mark_in(hold.reason)
    if mark is None or (hold.reason.startswith(_ENDED) and f"{_ENDED}{shown_url} " not in hold.reason):
        raise MoveRefusedError(
            f"this database was moved away: {hold.reason}.",
            remedy="Set [database] url to the new one, or take this one back with 'smart-cron db move --undo'.",
        )
    return mark


def note_end(house: House, *, shown_url: str, token: str) -> None:
    """Say on the old database that the new one has taken its place."""
    house.store.session.execute(
        "UPDATE smart_cron_holds SET reason = %s WHERE kind = %s",
        [with_mark(f"{_ENDED}{shown_url}", token)[:500], HoldKind.MOVED],
    )


def moved_hold(house: House) -> Hold | None:
    """Return the hold of a move, or None."""
    return next((hold for hold in house.store.holds.holds() if hold.kind == HoldKind.MOVED), None)


def new_place(hold: Hold) -> str | None:
    """Return the URL that a move's hold names, its password masked; None where somebody's SQL says something else."""
    found = _PLACE.match(hold.reason)
    return found[1] if found else None
