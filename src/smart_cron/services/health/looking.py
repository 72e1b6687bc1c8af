"""All checks at once, each with a deadline; what needs the database is asked once the database has answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from smart_cron.core.errors import SmartCronError
from smart_cron.core.health import CheckStatus, Finding, is_healthy, without_answer
from smart_cron.services.patience import Attempt

DATABASE, SCHEMA = "database", "schema_version"
HUNG = "Look at what it asks: a database, a disk or a mount that does not answer."
CRASHED = "Run 'smart-cron doctor'; if it persists, report it with that text."


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One check: its name in the rows, and the function that looks. `node` is set where it is of this node only.

    What `needs_database` is left out while the database does not answer or its tables do not fit.
    """

    name: str
    look: Callable[[], Finding]
    node: str | None = None
    needs_database: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What looking came to. `attempts` are the threads that were begun for it."""

    findings: tuple[Finding, ...]
    has_database: bool
    seconds: float
    attempts: tuple[Attempt[Finding], ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is critical or unknown."""
        return is_healthy(self.findings)

    @property
    def hangs(self) -> bool:
        """Whether some thread still waits, now: a process with one has to be ended hard."""
        return any(not attempt.is_over for attempt in self.attempts)


def examine(probes: Sequence[Probe], *, seconds: float) -> Examination:
    """Run all probes; return their findings in the given order.

    Each has *seconds*. Those that need the database begin when it has answered, and all is over a second before
    twice that time, so that whoever waits can count on it.
    """
    began = time.monotonic()
    first = {probe.name: _begin(probe) for probe in probes if not probe.needs_database}
    for name in (DATABASE, SCHEMA):
        if name in first:
            first[name].wait(began + seconds)
    has_database = _answered(first)
    then = time.monotonic()
    later = {probe.name: _begin(probe) for probe in probes if probe.needs_database} if has_database else {}
    ends = dict.fromkeys(first, began + seconds) | dict.fromkeys(later, min(then, began + seconds - 1) + seconds)
    attempts = first | later
    findings = tuple(_found(probe, attempts.get(probe.name), ends.get(probe.name, then), seconds) for probe in probes)
    return Examination(
        findings=findings,
        has_database=has_database,
        seconds=time.monotonic() - began,
        attempts=tuple(attempts.values()),
    )


def _begin(probe: Probe) -> Attempt[Finding]:
    return Attempt(probe.look, name=f"health-{probe.name}")


def _answered(first: Mapping[str, Attempt[Finding]]) -> bool:
    """Whether the database gave figures, however slowly, and its tables fit."""
    database, schema = first.get(DATABASE), first.get(SCHEMA)
    has_answered = database is not None and database.result is not None and database.result.measured is not None
    return has_answered and (schema is None or (schema.result is not None and not schema.result.is_issue))


def _found(probe: Probe, attempt: Attempt[Finding] | None, until: float, seconds: float) -> Finding:
    if attempt is None:
        sentence = "this was not looked into, since the database does not serve."
        return without_answer(probe.name, sentence, "", node=probe.node, asked=False)
    if not attempt.wait(until):
        sentence = f"this check gave no answer within {seconds:g} s."
        return _grave_where_needed(without_answer(probe.name, sentence, HUNG, node=probe.node))
    took = round(attempt.seconds * 1000, 1)
    if attempt.result is not None:
        return replace(attempt.result, check=probe.name, node=probe.node, response_time_ms=took)
    return replace(_crashed(probe, attempt.fault), response_time_ms=took)


def _crashed(probe: Probe, fault: Exception | None) -> Finding:
    if isinstance(fault, SmartCronError):
        sentence, remedy = fault.message, fault.remedy or CRASHED
    else:
        sentence, remedy = f"this check failed: {type(fault).__name__}: {fault}.", CRASHED
    return _grave_where_needed(without_answer(probe.name, sentence, remedy, node=probe.node))


def _grave_where_needed(finding: Finding) -> Finding:
    """Without a database nothing is planned or recorded: that nobody knows how it is would be too mild a word."""
    if finding.check in (DATABASE, SCHEMA):
        return replace(finding, status=CheckStatus.CRITICAL)
    return finding
