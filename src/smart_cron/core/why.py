"""Why a slot ran, did not run, will run, or is none: facts in, sentences out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from smart_cron.core.spans import span
from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.core.task_past import (
    CREATED,
    DELETED,
    Then,
    last_change_of,
    next_change_of,
    with_action,
)
from smart_cron.core.why_chain import around_steps, by_whom, chain_of_gap, chain_of_runs, hand_set, read_instant
from smart_cron.core.why_facts import Answer, SlotFacts, Step, fires, neighbours
from smart_cron.core.why_words import gap_slot_sentence, slot_sentence
from smart_cron.core.words import remarks
from smart_cron.core.zones import MAX_YEAR, shifted

NONE, DUE, PLANNED = "none", "due", "planned"
_A_DAY = timedelta(days=1)
# So soon after its time a slot without an outcome is nobody's fault.
SOON_SECONDS = 10


def explain(facts: SlotFacts) -> Answer:
    """Return what became of a slot or will, and by which decisions."""
    if facts.runs:
        return _ran(facts)
    if facts.gap is not None:
        return _did_not_run(facts)
    if facts.slot > facts.words.now:
        return _to_come(facts)
    if _is_unaccounted(facts):
        return _due(facts)
    return _nothing(facts)


def _ran(facts: SlotFacts) -> Answer:
    sentence = slot_sentence(facts.runs, facts.words)
    return _answer(facts, str(facts.runs[-1].status), sentence, chain_of_runs(facts))


def _did_not_run(facts: SlotFacts) -> Answer:
    gap = facts.gap
    assert gap is not None
    return _answer(facts, str(gap.outcome), gap_slot_sentence(gap, facts.slot, facts.words), chain_of_gap(facts, gap))


def _answer(facts: SlotFacts, outcome: str, sentence: str, steps: Iterator[Step] | tuple[Step, ...] = ()) -> Answer:
    return Answer(
        task=facts.task,
        slot=facts.slot,
        outcome=outcome,
        sentence=sentence,
        steps=tuple(steps),
        runs=tuple(facts.runs),
    )


def _none(facts: SlotFacts, sentence: str, rhythm_of: Then | None = None) -> Answer:
    """Answer that there is no such slot; with a definition, name its slots before and after."""
    before, after = neighbours(rhythm_of.rhythm, facts.slot) if rhythm_of else (None, None)
    nearest = _nearest(facts, before, after)
    return Answer(
        task=facts.task, slot=facts.slot, outcome=NONE, sentence=f"{sentence}{nearest}", before=before, after=after
    )


def _nearest(facts: SlotFacts, before: datetime | None, after: datetime | None) -> str:
    told = [
        f"{facts.words.slot(slot)} is the slot {word}"
        for word, slot in (("before", before), ("after", after))
        if slot is not None
    ]
    return f" {', '.join(told)}." if told else ""


# slots to come -----------------------------------------------------------------------------------------------------


def _to_come(facts: SlotFacts) -> Answer:
    today, words, marks = facts.today, facts.words, facts.marks
    named = words.named(facts.slot)
    if marks is None:
        return _none(facts, f"{named} will not be: {_deleted(facts)}.")
    if not today.enabled:
        change = last_change_of("enabled", facts.changes, until=words.now)
        since = f", since {by_whom(change, words)}" if change and change.action != CREATED else ""
        return _none(facts, f"{named} will not run as things stand: the task is disabled{since}.")
    if marks.invalid_reason:
        return _none(facts, f"{named} will not run as things stand: the task is invalid ({marks.invalid_reason}).")
    by_hand = marks.next_run_at
    if by_hand != facts.slot and not fires(today.rhythm, facts.slot):
        return _none(facts, f"{words.no_slot(facts.slot)}: {_pattern(today)} does not fire then.", today)
    if by_hand is not None and by_hand > facts.slot:
        return _none(
            facts,
            f"{named} will not run as things stand: the next slot was set by hand to {words.slot(by_hand)}, which takes"
            " the place of the pattern's slots before it.",
        )
    away = span((facts.slot - words.now).total_seconds())
    obstacle = _obstacle(facts)
    says = f"will come due in {away} and wait, as things stand: {obstacle}" if obstacle else _will_run(away)
    return _answer(facts, PLANNED, f"{named} {says}.", _plans(facts))


def _will_run(away: str) -> str:
    return f"will run as things stand, in {away}"


def _obstacle(facts: SlotFacts) -> str | None:
    """Say what will keep it from its start unless somebody changes that; a master that is missing may come in time."""
    around = facts.words.around
    missing = around.nobody(_tag(facts)) if around.nodes else None
    return around.hold(facts.words.at) or missing


def _tag(facts: SlotFacts) -> str | None:
    tag = facts.today.values.get("node_tag")
    return str(tag) if tag else None


def _pattern(then: Then) -> str:
    return f"'{then.schedule}' in {then.zone}"


def _plans(facts: SlotFacts) -> Iterator[Step]:
    today = facts.today
    if fires(today.rhythm, facts.slot):
        yield Step(decision="schedule", says=f"{_pattern(today)} fires at this instant.")
    else:
        change = hand_set(facts, facts.slot)
        whom = f", by {change.actor}" if change else ""
        yield Step(decision="schedule", says=f"The slot was set by hand{whom}; {_pattern(today)} does not fire then.")
    for remark in _clock_changes(facts):
        yield Step(decision="clock change", says=f"{remark}.")
    yield Step(decision="enabled", says="The task is enabled.")
    yield Step(decision="misfire", says=_if_missed(today))
    yield Step(decision="overlap", says=_if_busy(today))
    yield Step(decision="concurrency", says=_if_full(today))
    yield from around_steps(facts, _tag(facts))


def _clock_changes(facts: SlotFacts) -> list[str]:
    rhythm = facts.today.rhythm
    if rhythm is None or facts.slot.year > MAX_YEAR:
        return []
    return remarks(facts.today.schedule, rhythm.zone, shifted(facts.slot, -_A_DAY), shifted(facts.slot, _A_DAY))


_MISSED = {
    OnMissed.LATEST: "one run will be made for the newest slot missed",
    OnMissed.ALL: "it will be run late, after the older ones",
    OnMissed.SKIP: "it will be missed",
    OnMissed.HOLD: "it will be held until a person decides",
}
_BUSY = {
    OnOverlap.SKIP: "it will be skipped",
    OnOverlap.QUEUE: "it will wait for its end, unless another waits already",
    OnOverlap.REPLACE: "that run will be ended for it",
    OnOverlap.ALLOW: "it will run beside it",
}


def _if_missed(then: Then) -> str:
    policy = str(then.values.get("on_missed", OnMissed.LATEST))
    effect = _MISSED.get(OnMissed(policy)) if policy in list(OnMissed) else None
    deadline = then.number("start_deadline_seconds")
    bound = f", but nothing starts more than {span(deadline)} late" if deadline is not None else ""
    return f"If no master is there in time, {effect or 'nothing is certain'}{bound} (on_missed is {policy})."


def _if_full(then: Then) -> str:
    group = then.values.get("task_group")
    places = f"a free place on its node, and one in group '{group}'" if group else "a free place on its node"
    return f"It needs {places}; more urgent runs are served first (its priority is {then.values.get('priority', 5)})."


def _if_busy(then: Then) -> str:
    policy = str(then.values.get("on_overlap", OnOverlap.SKIP))
    effect = _BUSY.get(OnOverlap(policy)) if policy in list(OnOverlap) else None
    return f"If another run of the task goes on then, {effect or 'nothing is certain'} (on_overlap is {policy})."


# slots that came due and were not decided --------------------------------------------------------------------------


def _is_unaccounted(facts: SlotFacts) -> bool:
    marks = facts.marks
    if marks is None or not facts.today.existed:
        return False
    if marks.set_by_hand and marks.next_run_at == facts.slot:
        return facts.today.enabled
    if marks.accounted_until is None or not marks.enabled or facts.slot <= marks.accounted_until:
        return False
    first = marks.planned_next_run_at
    return facts.slot == first or (fires(_planned(facts).rhythm, facts.slot) and (first is None or facts.slot > first))


def _planned(facts: SlotFacts) -> Then:
    """Return the definition as planning last saw it, to which slots belong until a master looks again."""
    marks = facts.marks
    assert marks is not None
    return Then(
        values={"schedule_pattern": marks.schedule, "time_zone": marks.zone},
        existed=True,
        default_zone=facts.today.default_zone,
    )


def _due(facts: SlotFacts) -> Answer:
    marks, words = facts.marks, facts.words
    assert marks is not None
    since = (words.now - facts.slot).total_seconds()
    head = f"{words.named(facts.slot)} came due {span(since)} ago and has no outcome yet"
    if marks.invalid_reason:
        return _answer(facts, DUE, f"{head}: the task is invalid ({marks.invalid_reason}). Mend it by 'task edit'.")
    seen = f"since {words.at(marks.accounted_until)}" if marks.accounted_until else "yet"
    if since < SOON_SECONDS:
        return _answer(facts, DUE, f"{head}: a master is about to plan it, or none is running.", _due_steps(facts))
    sentence = f"{head}: no master has looked at the task {seen}. 'smart-cron master' starts one."
    return _answer(facts, DUE, sentence, _due_steps(facts))


def _due_steps(facts: SlotFacts) -> Iterator[Step]:
    seen = _planned(facts)
    if fires(seen.rhythm, facts.slot):
        yield Step(decision="schedule", says=f"{_pattern(seen)} fires at this instant.")
    else:
        yield Step(decision="schedule", says="The slot was set by hand.")
    if not facts.today.enabled:
        yield Step(decision="enabled", says="The task was disabled since: the slot will be recorded as missed.")
        return
    yield Step(decision="misfire", says=_if_missed(facts.today))
    yield Step(decision="overlap", says=_if_busy(facts.today))
    yield from around_steps(facts, _tag(facts))


# instants of the past without an outcome ---------------------------------------------------------------------------


def _nothing(facts: SlotFacts) -> Answer:
    """Say why an instant of the past is no slot, from what is certain to what is likely."""
    no_slot, then = facts.words.no_slot(facts.slot), facts.then
    if not then.existed:
        return _none(facts, f"{no_slot}: {_not_there(facts)}.")
    if not fires(then.rhythm, facts.slot):
        return _none(facts, f"{no_slot}: {_pattern(then)} does not fire then{_other_pattern(facts)}.", then)
    if not then.enabled:
        return _none(facts, f"{no_slot}: {_disabled(facts)}.")
    passed_over = _passed_over(facts)
    if passed_over is not None:
        return _none(facts, f"{no_slot}: {passed_over}.")
    return _none(facts, f"{facts.words.named(facts.slot)} has no outcome: {_unknown(facts)}.")


def _not_there(facts: SlotFacts) -> str:
    created = with_action(CREATED, facts.changes)
    if created is not None and created.at > facts.slot:
        return f"the task was added later, at {by_whom(created, facts.words)}"
    return _deleted(facts)


def _deleted(facts: SlotFacts) -> str:
    change = with_action(DELETED, facts.changes)
    return f"the task was deleted at {by_whom(change, facts.words)}" if change else "the task was deleted"


def _other_pattern(facts: SlotFacts) -> str:
    """Say that today's pattern would fire, and since when it is in force."""
    change = next_change_of("schedule_pattern", facts.changes, after=facts.slot)
    if change is None or not fires(facts.today.rhythm, facts.slot):
        return ""
    return f"; the schedule was changed to '{change.new['schedule_pattern']}' later, at {by_whom(change, facts.words)}"


def _disabled(facts: SlotFacts) -> str:
    since = last_change_of("enabled", facts.changes, until=facts.slot)
    until = next_change_of("enabled", facts.changes, after=facts.slot)
    begun = f" from {by_whom(since, facts.words)}" if since else " then"
    over = f" until {by_whom(until, facts.words)}" if until else ""
    return f"the task was disabled{begun}{over}"


def _passed_over(facts: SlotFacts) -> str | None:
    """Say whose hand set the next slot beyond this one."""
    for change in reversed(facts.changes):
        set_to = read_instant(change.new.get("next_run_at"))
        if change.at <= facts.slot and set_to is not None and set_to > facts.slot:
            what = f"the next slot was set by hand to {facts.words.slot(set_to)} at {by_whom(change, facts.words)}"
            return f"{what}, which took the place of the pattern's slots before it"
    return None


def _unknown(facts: SlotFacts) -> str:
    if facts.marks is not None and facts.marks.accounted_until is None:
        return "no master has seen the task yet"
    if facts.first_slot is None or facts.slot < facts.first_slot:
        return (
            "it lies before the first slot on record, when no master had seen the task yet, or its history was deleted"
        )
    return "its history was deleted, or the task was changed by SQL then, and no master noticed"
