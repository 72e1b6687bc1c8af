"""Instants and the ends of runs in words, for `why`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from smart_cron.core.ledger import LedgerRange, LedgerRun
from smart_cron.core.outcome import signal_name
from smart_cron.core.run import ErrorType, SlotOutcome, Status
from smart_cron.core.spans import span
from smart_cron.core.why_around import Circumstances
from smart_cron.core.zones import in_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """In which zone instants are told, what the time is, and how starts stand now."""

    place: ZoneInfo
    now: datetime
    around: Circumstances = field(default_factory=Circumstances)

    def at(self, instant: datetime) -> str:
        """Return an instant to the second, with the zone's abbreviation where that local time comes twice."""
        local = in_zone(instant, self.place)
        return f"{local:%Y-%m-%d %H:%M:%S}{_which(local)}"

    def slot(self, instant: datetime) -> str:
        """Return a slot to the minute, or as exactly as it was set."""
        local = in_zone(instant, self.place)
        if local.second or local.microsecond:
            return self.at(instant)
        return f"{local:%Y-%m-%d %H:%M}{_which(local)}"

    def named(self, slot: datetime) -> str:
        """Return a slot with its zone, as the subject of a sentence has it."""
        return f"The slot of {self.slot(slot)} ({self.place.key})"

    def no_slot(self, instant: datetime) -> str:
        """Return that there is none, as the beginning of a sentence."""
        return f"There is no slot at {self.slot(instant)} ({self.place.key})"


def _which(local: datetime) -> str:
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f" {local:%Z}" if twice else ""


def slot_sentence(runs: Sequence[LedgerRun], words: Wording) -> str:
    """Return what became of a slot that has executions, attempt by attempt, oldest first."""
    slot = runs[0].scheduled_for
    assert slot is not None
    head = words.named(slot)
    if len(runs) == 1 and runs[0].attempt == 1:
        return f"{head} {_alone(runs[0], words)}."
    return f"{head} ran: {'; '.join(_attempts(runs, words))}."


def by_hand_sentence(run: LedgerRun, words: Wording) -> str:
    """Return what became of a run that somebody asked for, or of its retry."""
    asked = f", asked for by {run.requested_by}" if run.requested_by else ""
    kind = f"Attempt {run.attempt} of a run by hand" if run.attempt > 1 else "A run by hand"
    return f"{kind} of {words.at(run.created_at)} ({words.place.key}{asked}) {ended(run, words)}."


def gap_sentence(gap: LedgerRange, words: Wording) -> str:
    """Return what became of the slots of a range."""
    if gap.count == 1:
        return gap_slot_sentence(gap, gap.first, words)
    ends = f"from {words.slot(gap.first)} to {words.slot(gap.last)} ({words.place.key})"
    return f"The {gap.count:,} slots {ends} {_fate(gap)[1]}: {gap.reason}."


def gap_slot_sentence(gap: LedgerRange, slot: datetime, words: Wording) -> str:
    """Return what became of one slot of a range."""
    return f"{words.named(slot)} {_fate(gap)[0]}: {gap.reason}."


# Of one slot, and of several.
_FATES: Mapping[str, tuple[str, str]] = {
    SlotOutcome.MISSED: ("was missed", "were missed"),
    SlotOutcome.SKIPPED: ("was skipped", "were skipped"),
    SlotOutcome.COALESCED: ("was coalesced and did not run by itself", "were coalesced and did not run by themselves"),
    SlotOutcome.HELD: ("is held until a person decides", "are held until a person decides"),
}


def _fate(gap: LedgerRange) -> tuple[str, str]:
    return _FATES.get(gap.outcome, (f"did not run ({gap.outcome})", f"did not run ({gap.outcome})"))


def _alone(run: LedgerRun, words: Wording) -> str:
    is_over = run.is_over and run.started_at is not None
    return f"ran and {ended(run, words)}" if is_over else ended(run, words)


def _attempts(runs: Sequence[LedgerRun], words: Wording) -> list[str]:
    told = []
    previous: LedgerRun | None = None
    for run in runs:
        later = _later(previous, run) if previous else None
        told.append(f"attempt {run.attempt}{f', a retry {later} later,' if later else ''} {ended(run, words)}")
        previous = run
    return told


def _later(previous: LedgerRun, run: LedgerRun) -> str | None:
    begun = run.started_at or run.claimed_at
    if previous.completed_at is None or begun is None:
        return None
    return span(max(0.0, (begun - previous.completed_at).total_seconds()))


def ended(run: LedgerRun, words: Wording) -> str:
    """Return how a run stands or ended, as the rest of a sentence: `succeeded after 4.2 s`."""
    late = ", as its node said when the run had been given up" if run.late and run.is_over else ""
    tell = _TOLD.get(run.status)
    return f"has the status '{run.status}', which means nothing" if tell is None else tell(run, words) + late


def _took(run: LedgerRun) -> str:
    return "" if run.duration is None else f" after {span(run.duration)}"


def _because(run: LedgerRun) -> str:
    return f": {_lowered(run.reason)}" if run.reason else ""


def _lowered(text: str) -> str:
    """Join a stored sentence to ours, without its stop."""
    text = text.strip().removesuffix(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _failed(run: LedgerRun, _: Wording) -> str:
    if run.term_signal is not None:
        return f"was ended by signal {signal_name(run.term_signal)}{_took(run)}"
    code = "without an exit code" if run.exit_code is None else f"with exit code {run.exit_code}"
    return f"failed {code}{_took(run)}"


_STOPS: Mapping[str, str] = {
    ErrorType.CANCELLED: "on request",
    ErrorType.REPLACED: "to make room for the next run of this task",
    ErrorType.STOPPED: "because its supervisor was stopped",
}


def _killed(run: LedgerRun, _: Wording) -> str:
    cause = _STOPS.get(run.error_type or "", "by somebody")
    if run.reason and run.started_at is not None:
        return f"was ended{_took(run)}{_because(run)}"
    return f"was ended {cause} before it started" if run.started_at is None else f"was ended {cause}{_took(run)}"


def _lost(run: LedgerRun, _: Wording) -> str:
    return f"was lost{_because(run) or ': nobody saw how it ended'}"


def _waiting(run: LedgerRun, words: Wording) -> str:
    waited = span(_since(run.created_at, words))
    obstacle = words.around.obstacle(run.node_tag, words.at)
    return f"has waited for {waited}: {obstacle}" if obstacle else f"has waited for a free place for {waited}"


def _delayed(run: LedgerRun, words: Wording) -> str:
    return f"is to start at {words.at(run.due_at)}" if run.due_at else "is to start after a delay"


def _claimed(run: LedgerRun, words: Wording) -> str:
    since = f" {span(_since(run.claimed_at, words))} ago" if run.claimed_at else ""
    return f"was claimed by node '{run.node}'{since} and is about to start"


def _running(run: LedgerRun, words: Wording) -> str:
    ending = ", and is being ended" if run.cancel_reason else ""
    return f"has been running on node '{run.node}' for {span(_since(run.started_at, words))}{ending}"


def _since(instant: datetime | None, words: Wording) -> float:
    return 0.0 if instant is None else max(0.0, (words.now - instant).total_seconds())


_TOLD: Mapping[str, Callable[[LedgerRun, Wording], str]] = {
    Status.WAITING: _waiting,
    Status.DELAYED: _delayed,
    Status.QUEUED: lambda run, words: (
        f"waits behind another run of the task, for {span(_since(run.created_at, words))}"
    ),
    Status.BLOCKED: lambda run, _: f"waits for a place in group '{run.group}', whose limit is reached",
    Status.CLAIMED: _claimed,
    Status.RUNNING: _running,
    Status.UNREACHABLE: lambda run, _: (
        f"was with node '{run.node}' when that fell silent; what became of it is not known yet"
    ),
    Status.SUCCESS: lambda run, _: f"succeeded{_took(run)}",
    Status.FAILED: _failed,
    Status.TIMEOUT: lambda run, _: f"was ended at its timeout{_took(run)}",
    Status.KILLED: _killed,
    Status.OOM: lambda run, _: f"was ended{_took(run)} since it used more memory than it may",
    Status.LOST: _lost,
    Status.START_FAILED: lambda run, _: _because(run).removeprefix(": ") or "could not be started",
    Status.MISSED: lambda run, _: f"was missed{_because(run)}",
    Status.SKIPPED: lambda run, _: f"was skipped{_because(run)}",
}
