"""Which waiting runs may start now: free places, limits of groups, and starts that come too late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.run import WaitingRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Execution ids, each in the order they were handed in. What is in none of the three goes on waiting."""

    claim: tuple[int, ...] = ()
    block: tuple[int, ...] = ()
    expire: tuple[int, ...] = ()


def admit(
    waiting: Sequence[WaitingRun],
    *,
    places: int,
    group_limits: Mapping[str, int],
    group_usage: Mapping[str, int],
    now: datetime,
) -> Admission:
    """Give `places` to the first of `waiting` that may start, keeping their order.

    Set aside those whose group has no place left (groups without a limit always have), so that they never stand in
    the way of others; `group_usage` counts claimed and running executions. Expire those whose `start_before` passed.
    """
    usage = Counter(group_usage)
    claim: list[int] = []
    block: list[int] = []
    expire: list[int] = []
    for run in waiting:
        limit = None if run.group is None else group_limits.get(run.group)
        if run.start_before is not None and now > run.start_before:
            expire.append(run.execution_id)
        elif limit is not None and usage[run.group or ""] >= limit:
            block.append(run.execution_id)
        elif len(claim) < places:
            claim.append(run.execution_id)
            usage[run.group or ""] += 1
    return Admission(claim=tuple(claim), block=tuple(block), expire=tuple(expire))
