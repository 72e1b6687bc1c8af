"""The decisions between a schedule and its outcome, each as a sentence, for a slot that has an outcome."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from smart_cron.core.ledger import LedgerRange, LedgerRun
from smart_cron.core.run import SlotOutcome, Status
from smart_cron.core.spans import span
from smart_cron.core.task import OnOverlap
from smart_cron.core.task_past import CREATED, Change, last_change_of
from smart_cron.core.why_facts import SlotFacts, Step, fires
from smart_cron.core.why_words import Wording, ended

# What planning calls on time; what was planned later is a catch-up.
ON_TIME_SECONDS = 60
# What took less took no time, to people.
SOON_SECONDS = 0.05


def chain_of_runs(facts: SlotFacts) -> Iterator[Step]:
    """Yield the decisions that led to executions."""
    first = facts.runs[0]
    yield schedule_step(facts)
    yield enabled_step(facts)
    yield _planned(facts, first)
    yield from _deadline(facts, first)
    yield _overlap(facts)
    yield from _place(facts, first)
    if first.status is Status.WAITING:
        yield from around_steps(facts, first.node_tag)
    for run in facts.runs:
        yield from _attempt(run, facts.words)


def chain_of_gap(facts: SlotFacts, gap: LedgerRange) -> Iterator[Step]:
    """Yield the decisions that led to a range without executions."""
    yield schedule_step(facts)
    yield enabled_step(facts)
    if gap.recorded_at is not None:
        late = _late(facts.slot, gap.recorded_at)
        yield Step(decision="planned", says=f"A master decided at {facts.words.at(gap.recorded_at)}, {late}.")
    policy = "overlap" if gap.outcome is SlotOutcome.SKIPPED else "misfire"
    more = f" The same holds for all {gap.count:,} slots of this stretch." if gap.count > 1 else ""
    yield Step(decision=policy, says=f"{_sentence(gap.reason)}{more}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def schedule_step(facts: SlotFacts) -> Step:
    """Say whether the pattern of that time has the slot, and who set it by hand where it has not."""
    rhythm = facts.rhythm
    if fires(rhythm, facts.slot):
        says = f"{facts.schedule} fires at this instant."
    elif rhythm is not None and rhythm.schedule.is_reboot:
        says = "@reboot: the machine started at this instant."
    else:
        says = f"{facts.schedule} does not fire at this instant; {_set_by(facts)}."
    return Step(decision="schedule", says=says)


def _set_by(facts: SlotFacts) -> str:
    change = hand_set(facts, facts.slot)
    if change is None:
        return "the slot was set by hand, or the schedule was another one then and changed by SQL"
    return f"the slot was set by hand by {change.actor} at {facts.words.at(change.at)}"


def hand_set(facts: SlotFacts, slot: datetime) -> Change | None:
    """Return the change that set `next_run_at` to this slot."""
    return next((each for each in reversed(facts.changes) if _next_run_at(each) == slot), None)


def _next_run_at(change: Change) -> datetime | None:
    """Return the `next_run_at` that a change set; the log keeps instants as the database writes them, in UTC."""
    return read_instant(change.new.get("next_run_at"))


def read_instant(text: object) -> datetime | None:
    """Return an instant of the audit log, aware, or None."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def enabled_step(facts: SlotFacts) -> Step:
    """Say whether the task was switched on at the slot, as far as the audit log knows."""
    change = last_change_of("enabled", facts.changes, until=facts.slot)
    since = f", since {by_whom(change, facts.words)}" if change and change.action != CREATED else ""
    if facts.then.enabled:
        return Step(decision="enabled", says=f"The task was enabled{since}.")
    seen = "; a slot belongs to the definition that a master saw last" if facts.runs or facts.gap else ""
    return Step(decision="enabled", says=f"The task was disabled{since}{seen}.")


def by_whom(change: Change, words: Wording) -> str:
    """Return when and by whom something was changed."""
    return f"{words.at(change.at)} by {change.actor}"


def _late(slot: datetime, at: datetime) -> str:
    seconds = (at - slot).total_seconds()
    if seconds < 0:
        return "before its time: the clock was set back since"
    return f"{span(seconds)} after its time" if seconds >= SOON_SECONDS else "at its time"


def _planned(facts: SlotFacts, first: LedgerRun) -> Step:
    late = _late(facts.slot, first.created_at)
    says = f"It was planned at {facts.words.at(first.created_at)}, {late}."
    if (first.created_at - facts.slot).total_seconds() > ON_TIME_SECONDS:
        policy = facts.then.values.get("on_missed", "latest")
        return Step(decision="misfire", says=f"{says} Nobody was there in time; on_missed '{policy}' let it run late.")
    return Step(decision="misfire", says=says)


def _deadline(facts: SlotFacts, first: LedgerRun) -> Iterator[Step]:
    seconds = facts.then.number("start_deadline_seconds")
    if seconds is None:
        return
    begun = first.claimed_at
    kept = f"; it was claimed {span((begun - facts.slot).total_seconds())} late" if begun else ""
    yield Step(decision="deadline", says=f"It was allowed to start up to {span(seconds)} late{kept}.")


_OVERLAPS = {
    OnOverlap.SKIP: "no other run of the task stood in its way, or it would have been skipped",
    OnOverlap.QUEUE: "behind another run of the task it would have waited",
    OnOverlap.REPLACE: "another run of the task would have been ended for it",
    OnOverlap.ALLOW: "it may run beside other runs of the task",
}


def _overlap(facts: SlotFacts) -> Step:
    policy = str(facts.then.values.get("on_overlap", OnOverlap.SKIP))
    meaning = _OVERLAPS.get(OnOverlap(policy)) if policy in list(OnOverlap) else None
    return Step(decision="overlap", says=f"on_overlap is '{policy}'{f': {meaning}' if meaning else ''}.")


def _place(facts: SlotFacts, first: LedgerRun) -> Iterator[Step]:
    if first.claimed_at is None:
        return
    waited = (first.claimed_at - max(first.created_at, facts.slot)).total_seconds()
    group = f" in all and in group '{first.group}'" if first.group else ""
    says = f"It waited {span(waited)} for a free place{group}" if waited >= SOON_SECONDS else "A place was free at once"
    yield Step(decision="concurrency", says=f"{says}.")


def around_steps(facts: SlotFacts, tag: str | None) -> Iterator[Step]:
    """Say what holds every start back now, and which nodes may run it."""
    around, words = facts.words.around, facts.words
    hold = around.hold(words.at)
    if hold is not None:
        yield Step(decision="hold", says=f"{_sentence(hold)} What is due meanwhile waits until that ends.")
    says = around.somebody(tag) or around.nobody(tag)
    if says is not None:
        yield Step(decision="node", says=_sentence(says))


def _attempt(run: LedgerRun, words: Wording) -> Iterator[Step]:
    name = f"attempt {run.attempt}"
    if run.claimed_at is not None:
        yield Step(decision="claim", says=f"Node '{run.node}' claimed {name} at {words.at(run.claimed_at)}.")
    head = f"Started at {words.at(run.started_at)}; it" if run.started_at else "It"
    yield Step(decision=name, says=f"{head} {ended(run, words)}.{_last_words(run)}")


def _last_words(run: LedgerRun) -> str:
    """Return the last line of standard error, which the message of a failure ends with."""
    said = run.reason.partition(": ")[2] if run.reason and run.status is Status.FAILED else ""
    return f" It said: {said}" if said else ""
