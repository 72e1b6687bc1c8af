"""Where an execution stands in line, as the generated column `queue_rank` says it: one index serves every queue.

A waiting execution ranks by its priority, 1 to 10, within its lane: what is bound to a tag and what makes up for an
old slot have lanes of their own, since it may not start here, or not yet, and must stand in nobody's way. The other
kinds of waiting lie below zero, each in a stretch of its own, so that a storm of delayed or blocked ones never stands
before a claim. What a node holds ranks 0: whoever asks for it reads no more than that, however long the queue.
"""

from __future__ import annotations

from collections.abc import Iterable

from smart_cron.core.run import ACTIVE_STATUSES, HELD_STATUSES, UNSTARTED_STATUSES, Status

LOWEST_PRIORITY = 10
# A rank is lane + priority.
CATCH_UP_LANE = 20
TAGGED_LANE = 40
HELD_RANK = 0
DELAYED_RANK = -1
QUEUED_RANK = -2
# Blocked ones keep their order of priority: -20 + priority.
BLOCKED_FROM, BLOCKED_UNTIL = -19, -10


def quoted(statuses: Iterable[Status]) -> str:
    """Return statuses as an SQL list, in a fixed order."""
    return ", ".join(f"'{status}'" for status in statuses)


HELD = quoted(HELD_STATUSES)
# Delayed retries do not count: they stand in nobody's way, and there may be a storm of them.
IN_THE_WAY = tuple(status for status in Status if status in ACTIVE_STATUSES and status is not Status.DELAYED)
FAILURES = tuple(
    status
    for status in Status
    if status not in ACTIVE_STATUSES and status is not Status.SUCCESS and status not in UNSTARTED_STATUSES
)

QUEUE_RANK = f"""CASE status
    WHEN 'waiting' THEN priority + {CATCH_UP_LANE} * catch_up
        + CASE WHEN node_tag IS NULL THEN 0 ELSE {TAGGED_LANE} END
    WHEN 'delayed' THEN {DELAYED_RANK} WHEN 'queued' THEN {QUEUED_RANK}
    WHEN 'blocked' THEN priority - 20 {" ".join(f"WHEN '{status}' THEN {HELD_RANK}" for status in HELD_STATUSES)} END"""
ACTIVE_TASK_ID = f"CASE WHEN status IN ({quoted(IN_THE_WAY)}) THEN task_id END"
FAILURE_STATUS = f"CASE WHEN status IN ({quoted(FAILURES)}) THEN status END"


def clamped(priority: int) -> int:
    """Return the nearest priority there is: a row written by SQL may say anything."""
    return min(max(priority, 1), LOWEST_PRIORITY)
