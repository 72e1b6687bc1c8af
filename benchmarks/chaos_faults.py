"""Which faults happen when: a schedule that follows from the seed alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KILLS: Mapping[str, int] = {"kill supervisor": 45, "kill master": 30, "kill task runner": 25}
# How often others come, against 100 kills.
EVERYWHERE: Mapping[str, int] = {
    "stop master": 3,
    "stop supervisor": 4,
    "stop task runner": 2,
    "empty run directory": 2,
    "flip is_running": 5,
}
ON_SQLITE: Mapping[str, int] = {"lock database": 3}
ON_SERVERS: Mapping[str, int] = {
    "kill server": 2,
    "freeze server": 2,
    "make server read-only": 2,
    "lose reply to COMMIT": 4,
    "reset connections": 2,
    "blackhole": 2,
    "delay": 2,
}
# With several nodes, one of them falls silent for long enough to be missed (node_silence_seconds), and comes back.
ON_SEVERAL: Mapping[str, int] = {"cut off node": 3, "freeze node": 3}
SILENT_SECONDS = (6.0, 15.0)
# A fault with a length takes this long at most; a frozen supervisor must outlive it, since that is not a kill.
LONGEST_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Fault:
    """One fault, so many seconds after the beginning. `pick` chooses the victim among those that are there then."""

    at: float
    kind: str
    pick: float
    seconds: float


def schedule(
    *, seed: int, seconds: float, kills: int, on_server: bool, nodes: int = 1, outage_seconds: float = 0.0
) -> list[Fault]:
    """Return the faults of a run in order of time.

    *outage_seconds* is for how long the database is away in the middle of it, beside all that happens shortly.
    """
    chance = random.Random(f"faults {seed}")
    others = {**EVERYWHERE, **(ON_SERVERS if on_server else ON_SQLITE)}
    if nodes > 1:
        others |= {kind: weight for kind, weight in ON_SEVERAL.items() if on_server or kind == "freeze node"}
    count = round(kills * sum(others.values()) / 100)
    kinds = [*_drawn(chance, KILLS, kills), *_drawn(chance, others, count)]
    faults = [_fault(chance, kind, seconds) for kind in kinds]
    if outage_seconds:
        kind = "kill server" if on_server else "lock database"
        faults.append(Fault(at=(seconds - outage_seconds) / 2, kind=kind, pick=0.0, seconds=outage_seconds))
    return sorted(faults)


def _drawn(chance: random.Random, weights: Mapping[str, int], count: int) -> Sequence[str]:
    return chance.choices(list(weights), list(weights.values()), k=count)


def _fault(chance: random.Random, kind: str, seconds: float) -> Fault:
    return Fault(
        at=chance.uniform(0, seconds),
        kind=kind,
        pick=chance.random(),
        seconds=chance.uniform(*(SILENT_SECONDS if kind in ON_SEVERAL else (0.1, LONGEST_SECONDS))),
    )
