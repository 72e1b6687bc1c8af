"""Do this machine's clock and the database's agree, and has ours jumped since the last look."""

from __future__ import annotations

import time
from collections.abc import Mapping

from smart_cron.core.health import CheckStatus, Finding, Threshold, worst
from smart_cron.core.ports import Clock, Database
from smart_cron.core.ports.health import HealthStore
from smart_cron.services.health.checks.words import span

NAME = "clock"
MEND = "Have both set by NTP: slots go by the clocks."
# The least uncertain of several answers.
ASKED = 3


def look(
    database: Database, store: HealthStore, clock: Clock, threshold: Threshold, *, node: str, boot_id: str
) -> Finding:
    """Compare both clocks, and ours with the one that never steps, as it was at this node's last look."""
    offset = min((_offset(database, clock) for _ in range(ASKED)), key=lambda found: found[1])[0]
    anchor = clock.now().timestamp() - clock.boottime()
    step = step_since(store.last_details(NAME, node=node), boot_id=boot_id, anchor=anchor)
    return judge(offset, step, threshold, details={"boot_id": boot_id, "anchor": anchor})


def step_since(before: Mapping[str, object], *, boot_id: str, anchor: float) -> float | None:
    """Return by how many seconds our clock was set since *before*; None where it is another boot's."""
    known = before.get("anchor")
    if before.get("boot_id") != boot_id or not isinstance(known, int | float):
        return None
    return anchor - known


def judge(
    offset: float, step: float | None, threshold: Threshold, *, details: Mapping[str, object] | None = None
) -> Finding:
    """Return what is to be said of a database that is *offset* seconds ahead of us, and of our own last step."""
    jumped = threshold.judge(abs(step or 0.0))
    # A clock that was mended by a jump is right now: that is worth a word, and never more.
    status = worst([threshold.judge(abs(offset)), CheckStatus.WARNING if jumped is not CheckStatus.OK else jumped])
    facts = [_offset_in_words(offset, agrees=threshold.judge(abs(offset)) is CheckStatus.OK)]
    if step is not None and jumped is not CheckStatus.OK:
        direction = "forward" if step > 0 else "back"
        facts.append(f"this machine's clock was set {direction} by {span(abs(step))} since the last look")
    measured = max(abs(offset), abs(step or 0.0))
    return Finding(
        check=NAME,
        status=status,
        message=f"{'; '.join(facts)}.",
        remedy="" if status is CheckStatus.OK else MEND,
        measured=round(measured, 3),
        threshold=threshold.crossed(measured),
        unit=threshold.unit,
        details=details or {},
    )


def _offset_in_words(offset: float, *, agrees: bool) -> str:
    if agrees:
        return "the database's clock and this machine's agree"
    return f"the database's clock is {span(abs(offset))} {'ahead of' if offset > 0 else 'behind'} this machine's"


def _offset(database: Database, clock: Clock) -> tuple[float, float]:
    """Return (seconds that the database is ahead, how unsure that is): its answer is of some time in between."""
    began, before = time.monotonic(), clock.now()
    theirs = database.now()
    took = time.monotonic() - began
    return (theirs - before).total_seconds() - took / 2, took
