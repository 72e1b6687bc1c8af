from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smart_cron.core.ledger import LedgerRange, LedgerRun
from smart_cron.core.node import Hold, HoldKind, NodeRecord
from smart_cron.core.run import SlotOutcome, Status
from smart_cron.core.task_past import Change, Marks, definition_at
from smart_cron.core.why import explain
from smart_cron.core.why_around import Circumstances
from smart_cron.core.why_facts import Answer, SlotFacts
from smart_cron.core.why_words import Wording

BERLIN = ZoneInfo("Europe/Berlin")
# 02:30 in Berlin.
SLOT = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
COLUMNS: dict[str, object] = {
    "schedule_pattern": "30 2 * * *",
    "time_zone": "Europe/Berlin",
    "enabled": 1,
    "on_missed": "latest",
    "on_overlap": "skip",
}


def run(**changes: Any) -> LedgerRun:
    known: dict[str, Any] = {
        "execution_id": 1,
        "task": "report",
        "scheduled_for": SLOT,
        "attempt": 1,
        "status": Status.SUCCESS,
        "reason": None,
        "started_at": SLOT + SECOND,
        "completed_at": SLOT + 5.2 * SECOND,
        "duration": 4.2,
        "exit_code": 0,
        "term_signal": None,
        "triggered_by": "cron",
        "run_id": "r",
        "node": "one",
        "output_bytes": 0,
        "output_sha256": None,
        "output_truncated": False,
        "created_at": SLOT,
        "claimed_at": SLOT + 0.5 * SECOND,
    }
    return LedgerRun(**(known | changes))


FAILED: dict[str, Any] = {"status": Status.FAILED, "exit_code": 3, "reason": "Exit code 3: disk full"}
UNSTARTED: dict[str, Any] = {"started_at": None, "completed_at": None, "duration": None, "exit_code": None}


def gap(**changes: Any) -> LedgerRange:
    known: dict[str, Any] = {
        "task": "report",
        "first": SLOT,
        "last": SLOT,
        "count": 1,
        "outcome": SlotOutcome.MISSED,
        "reason": "no master was running to start it (on_missed is skip)",
        "schedule": "30 2 * * *",
        "zone": "Europe/Berlin",
        "recorded_at": SLOT + 3 * timedelta(hours=1),
    }
    return LedgerRange(**(known | changes))


def change(action: str, at: datetime, *, old: dict[str, object] | None = None, **new: object) -> Change:
    return Change(at=at, actor="cli:ann", action=action, name="report", old=old or {}, new=new)


MARKS = Marks(
    schedule="30 2 * * *",
    zone="Europe/Berlin",
    enabled=True,
    accounted_until=SLOT + timedelta(hours=8),
    next_run_at=SLOT + DAY,
    planned_next_run_at=SLOT + DAY,
    created_at=SLOT - 30 * DAY,
    invalid_reason=None,
)


def asked(
    slot: datetime = SLOT,
    *,
    now: datetime = SLOT + timedelta(hours=8),
    columns: dict[str, object] | None = COLUMNS,
    changes: tuple[Change, ...] = (),
    runs: tuple[LedgerRun, ...] = (),
    gap: LedgerRange | None = None,
    marks: Marks | None = MARKS,
    first_slot: datetime | None = SLOT - 20 * DAY,
    around: Circumstances | None = None,
) -> Answer:
    def then(at: datetime) -> Any:
        return definition_at(at, now=columns, changes=changes, default_zone="UTC")

    return explain(
        SlotFacts(
            task="report",
            slot=slot,
            words=Wording(place=BERLIN, now=now, around=around or Circumstances()),
            runs=runs,
            gap=gap,
            then=then(slot),
            today=then(max(now, slot)),
            changes=changes,
            marks=marks,
            first_slot=first_slot,
        )
    )


def step(answer: Answer, decision: str) -> str:
    return next(each.says for each in answer.steps if each.decision == decision)


# slots that have executions ----------------------------------------------------------------------------------------


def test_a_retried_slot_is_told_attempt_by_attempt() -> None:
    again = run(attempt=2, triggered_by="retry", started_at=SLOT + 65.2 * SECOND, duration=1.0)

    answer = asked(runs=(run(**FAILED), again))

    assert answer.sentence == (
        "The slot of 2026-11-23 02:30 (Europe/Berlin) ran: attempt 1 failed with exit code 3 after 4.2 s; "
        "attempt 2, a retry 1 min later, succeeded after 1 s."
    )
    assert answer.outcome == "success"


def test_the_chain_goes_from_the_schedule_to_the_end() -> None:
    answer = asked(runs=(run(**FAILED),))

    decisions = [each.decision for each in answer.steps]
    assert decisions == ["schedule", "enabled", "misfire", "overlap", "concurrency", "claim", "attempt 1"]
    assert step(answer, "schedule") == "'30 2 * * *' in Europe/Berlin fires at this instant."
    assert step(answer, "concurrency") == "It waited 500 ms for a free place."
    assert step(answer, "claim") == "Node 'one' claimed attempt 1 at 2026-11-23 02:30:00."
    assert step(answer, "attempt 1") == (
        "Started at 2026-11-23 02:30:01; it failed with exit code 3 after 4.2 s. It said: disk full"
    )


STANDS: list[tuple[dict[str, Any], str]] = [
    ({}, "ran and succeeded after 4.2 s"),
    (FAILED, "ran and failed with exit code 3 after 4.2 s"),
    (
        {"status": Status.FAILED, "exit_code": 137, "term_signal": 9},
        "ran and was ended by signal 9 (SIGKILL) after 4.2 s",
    ),
    ({"status": Status.TIMEOUT, "exit_code": 124}, "ran and was ended at its timeout after 4.2 s"),
    ({"status": Status.KILLED, "error_type": "cancelled"}, "ran and was ended on request after 4.2 s"),
    (
        {"status": Status.KILLED, "error_type": "replaced"},
        "ran and was ended to make room for the next run of this task after 4.2 s",
    ),
    (
        {"status": Status.KILLED, "error_type": "stopped"},
        "ran and was ended because its supervisor was stopped after 4.2 s",
    ),
    (
        {
            "status": Status.KILLED,
            "error_type": "stopped",
            "reason": "Stopped by 'stop-all' of cli:ann: the disk burns",
        },
        "ran and was ended after 4.2 s: stopped by 'stop-all' of cli:ann: the disk burns",
    ),
    (UNSTARTED | {"status": Status.KILLED, "error_type": "cancelled"}, "was ended on request before it started"),
    ({"status": Status.OOM}, "ran and was ended after 4.2 s since it used more memory than it may"),
    ({"status": Status.LOST, "duration": None}, "ran and was lost: nobody saw how it ended"),
    (
        UNSTARTED | {"status": Status.LOST, "reason": "The node restarted before anyone saw it start"},
        "was lost: the node restarted before anyone saw it start",
    ),
    (
        {"late": True},
        "ran and succeeded after 4.2 s, as its node said when the run had been given up",
    ),
    (
        UNSTARTED | {"status": Status.START_FAILED, "reason": "Could not be started: no such file: /x"},
        "could not be started: no such file: /x",
    ),
    (
        UNSTARTED | {"status": Status.MISSED, "reason": "Never started: its launch deadline passed"},
        "was missed: never started: its launch deadline passed",
    ),
    (
        UNSTARTED | {"status": Status.SKIPPED, "reason": "the task was deleted before this run could start"},
        "was skipped: the task was deleted before this run could start",
    ),
    (UNSTARTED | {"status": Status.WAITING}, "has waited for a free place for 8 h"),
    (UNSTARTED | {"status": Status.QUEUED}, "waits behind another run of the task, for 8 h"),
    (UNSTARTED | {"status": Status.BLOCKED, "group": "db"}, "waits for a place in group 'db', whose limit is reached"),
    (
        UNSTARTED | {"status": Status.CLAIMED},
        "was claimed by node 'one' 8 h ago and is about to start",
    ),
    ({"status": Status.RUNNING, "duration": None}, "has been running on node 'one' for 7 h 59 min"),
    (
        {"status": Status.RUNNING, "duration": None, "cancel_reason": "cancelled"},
        "has been running on node 'one' for 7 h 59 min, and is being ended",
    ),
    (
        {"status": Status.UNREACHABLE, "duration": None},
        "was with node 'one' when that fell silent; what became of it is not known yet",
    ),
]


@pytest.mark.parametrize(("changes", "told"), STANDS)
def test_every_status_has_its_sentence(changes: dict[str, Any], told: str) -> None:
    answer = asked(runs=(run(**changes),))

    assert answer.sentence == f"The slot of 2026-11-23 02:30 (Europe/Berlin) {told}."
    assert answer.outcome == str(changes.get("status", Status.SUCCESS))


def test_the_statuses_with_a_sentence_are_all_there_are() -> None:
    tried = {changes.get("status", Status.SUCCESS) for changes, _ in STANDS}

    assert tried | {Status.DELAYED} == set(Status)


def node(name: str, *tags: str) -> NodeRecord:
    return NodeRecord(
        name=name, identity=name, boot_id="b", host="h", version="1", master_pid=1, max_concurrent=10, tags=tags,
        heartbeats=1, heartbeat_at=SLOT, started_at=SLOT, stopped_at=None, forgotten_at=None,
    )  # fmt: skip


WAITING = run(**UNSTARTED, status=Status.WAITING, claimed_at=None)
STOPPED = Hold(kind=HoldKind.STOPPED, reason="the disk burns", actor="cli:ann", since=SLOT)
HELD = "starts are held on every node since 2026-11-23 02:30:00 (stopped, by cli:ann): the disk burns"


def test_what_waits_while_starts_are_held_says_who_holds_them() -> None:
    answer = asked(runs=(WAITING,), around=Circumstances(holds=[STOPPED], nodes=[node("one")]))

    assert answer.sentence == f"The slot of 2026-11-23 02:30 (Europe/Berlin) has waited for 8 h: {HELD}."
    assert step(answer, "hold").startswith("Starts are held on every node")


def test_what_waits_for_a_tag_that_no_living_node_has_says_so() -> None:
    tagged = replace(WAITING, node_tag="gpu")

    answer = asked(runs=(tagged,), around=Circumstances(nodes=[node("one"), node("two", "disk")]))

    assert answer.sentence.endswith(
        "for 8 h: it is bound to nodes with the tag 'gpu', and no node that takes part has it ('one', 'two')."
    )
    assert "no node that takes part has it" in step(answer, "node")


def test_what_waits_where_no_master_works_says_so() -> None:
    answer = asked(runs=(WAITING,), around=Circumstances(nodes=[]))

    assert answer.sentence.endswith("has waited for 8 h: no master works, on no node.")


def test_what_waits_for_its_turn_says_that_and_where_it_may_run() -> None:
    answer = asked(
        runs=(replace(WAITING, node_tag="gpu"),), around=Circumstances(nodes=[node("one"), node("two", "gpu")])
    )

    assert answer.sentence.endswith("has waited for a free place for 8 h.")
    assert step(answer, "node") == "It is bound to the tag 'gpu', which has: 'two' (10 places)."


def test_a_slot_to_come_while_starts_are_held_is_not_said_to_run() -> None:
    answer = asked(SLOT + DAY, marks=MARKS, around=Circumstances(holds=[STOPPED], nodes=[node("one")]))

    assert answer.outcome == "planned"
    assert answer.sentence.endswith(f"(Europe/Berlin) will come due in 16 h and wait, as things stand: {HELD}.")


def test_a_slot_to_come_for_a_tag_that_no_living_node_has_is_not_said_to_run() -> None:
    answer = asked(SLOT + DAY, columns={**COLUMNS, "node_tag": "gpu"}, around=Circumstances(nodes=[node("one")]))

    assert "wait, as things stand: it is bound to nodes with the tag 'gpu'" in answer.sentence
    assert "no node that takes part has it" in step(answer, "node")


def test_a_slot_to_come_tells_which_places_it_needs() -> None:
    columns = {**COLUMNS, "task_group": "db", "priority": 2}

    answer = asked(SLOT + DAY, columns=columns, around=Circumstances(nodes=[node("one")]))

    assert step(answer, "concurrency") == (
        "It needs a free place on its node, and one in group 'db'; "
        "more urgent runs are served first (its priority is 2)."
    )
    assert step(answer, "node") == "It may run on: 'one' (10 places)."


def test_a_retry_to_come_says_when() -> None:
    again = run(**UNSTARTED, attempt=2, status=Status.DELAYED, due_at=SLOT + 65 * SECOND, claimed_at=None)

    assert "attempt 2 is to start at 2026-11-23 02:31:05" in asked(runs=(run(**FAILED), again)).sentence


def test_a_catch_up_says_that_it_was_late_and_by_whose_policy() -> None:
    late = run(created_at=SLOT + timedelta(hours=2))

    assert step(asked(runs=(late,)), "misfire") == (
        "It was planned at 2026-11-23 04:30:00, 2 h after its time. Nobody was there in time; on_missed 'latest' let "
        "it run late."
    )


def test_a_slot_off_the_pattern_names_who_set_it() -> None:
    at = SLOT + timedelta(minutes=7)
    by_hand = change("update", SLOT, next_run_at="2026-11-23 01:37:00.000000")

    answer = asked(at, runs=(run(scheduled_for=at),), changes=(by_hand,))

    assert step(answer, "schedule") == (
        "'30 2 * * *' in Europe/Berlin does not fire at this instant; the slot was set by hand by cli:ann at "
        "2026-11-23 02:30:00."
    )


def test_a_start_deadline_is_a_decision_of_its_own() -> None:
    answer = asked(runs=(run(),), columns=COLUMNS | {"start_deadline_seconds": 600})

    assert step(answer, "deadline") == "It was allowed to start up to 10 min late; it was claimed 500 ms late."


# slots that did not run --------------------------------------------------------------------------------------------


def test_a_slot_of_a_range_has_the_reason_of_the_range() -> None:
    found = gap(last=SLOT + 2 * DAY, count=3)

    answer = asked(gap=found)

    assert answer.sentence == (
        "The slot of 2026-11-23 02:30 (Europe/Berlin) was missed: no master was running to start it "
        "(on_missed is skip)."
    )
    assert step(answer, "misfire") == (
        "No master was running to start it (on_missed is skip). The same holds for all 3 slots of this stretch."
    )


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (SlotOutcome.MISSED, "was missed"),
        (SlotOutcome.SKIPPED, "was skipped"),
        (SlotOutcome.COALESCED, "was coalesced and did not run by itself"),
        (SlotOutcome.HELD, "is held until a person decides"),
    ],
)
def test_every_outcome_without_a_run_has_its_words(outcome: SlotOutcome, told: str) -> None:
    assert f"(Europe/Berlin) {told}: " in asked(gap=gap(outcome=outcome)).sentence
    assert f"(Europe/Berlin) {told}: " in asked(gap=gap(outcome=outcome, last=SLOT + DAY, count=2)).sentence


def test_words_that_nobody_knows_are_no_reason_to_fail() -> None:
    assert "has the status 'eaten', which means nothing" in asked(runs=(run(status="eaten"),)).sentence
    assert "did not run (lunch): no master" in asked(gap=gap(outcome="lunch")).sentence


def test_a_range_answers_by_the_pattern_it_was_made_under() -> None:
    answer = asked(gap=gap(), columns=COLUMNS | {"schedule_pattern": "0 0 1 1 *"})

    assert step(answer, "schedule") == "'30 2 * * *' in Europe/Berlin fires at this instant."


# slots to come -----------------------------------------------------------------------------------------------------


def test_a_slot_to_come_says_what_will_happen() -> None:
    answer = asked(SLOT + DAY)

    assert answer.outcome == "planned"
    assert answer.sentence == ("The slot of 2026-11-24 02:30 (Europe/Berlin) will run as things stand, in 16 h.")
    assert "one run will be made for the newest slot missed" in step(answer, "misfire")
    assert "it will be skipped" in step(answer, "overlap")


def test_a_slot_to_come_of_a_disabled_task_says_since_when_and_by_whom() -> None:
    off = change("disable", SLOT, old={"enabled": 1}, enabled=0)

    answer = asked(SLOT + DAY, columns=COLUMNS | {"enabled": 0}, changes=(off,))

    assert answer.outcome == "none"
    assert answer.sentence.endswith("the task is disabled, since 2026-11-23 02:30:00 by cli:ann.")


def test_a_slot_to_come_of_an_invalid_task_says_what_is_wrong() -> None:
    answer = asked(SLOT + DAY, marks=replace(MARKS, invalid_reason="timeout_seconds must be at least 1, got 0"))

    assert "the task is invalid (timeout_seconds must be at least 1, got 0)" in answer.sentence


def test_an_instant_to_come_off_the_pattern_names_the_slots_around_it() -> None:
    answer = asked(SLOT + DAY + timedelta(hours=1))

    assert answer.sentence == (
        "There is no slot at 2026-11-24 03:30 (Europe/Berlin): '30 2 * * *' in Europe/Berlin does not fire then. "
        "2026-11-24 02:30 is the slot before, 2026-11-25 02:30 is the slot after."
    )
    assert (answer.before, answer.after) == (SLOT + DAY, SLOT + 2 * DAY)


def test_a_slot_before_one_set_by_hand_is_none() -> None:
    answer = asked(SLOT + DAY, marks=replace(MARKS, next_run_at=SLOT + 3 * DAY))

    assert "the next slot was set by hand to 2026-11-26 02:30" in answer.sentence
    assert answer.outcome == "none"


def test_a_slot_set_by_hand_will_run() -> None:
    at = SLOT + timedelta(hours=9)

    assert asked(at, marks=replace(MARKS, next_run_at=at)).outcome == "planned"


def test_a_clock_change_near_a_slot_to_come_is_told() -> None:
    at = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)

    assert "clocks in Europe/Berlin go forward" in step(asked(at), "clock change")


# slots that nobody has looked at -----------------------------------------------------------------------------------


def test_a_slot_that_no_master_saw_says_since_when() -> None:
    unseen = replace(MARKS, accounted_until=SLOT - DAY, next_run_at=SLOT, planned_next_run_at=SLOT)

    answer = asked(marks=unseen)

    assert answer.outcome == "due"
    assert answer.sentence == (
        "The slot of 2026-11-23 02:30 (Europe/Berlin) came due 8 h ago and has no outcome yet: no master has looked at "
        "the task since 2026-11-22 02:30:00. 'smart-cron master' starts one."
    )


def test_a_slot_that_waits_for_a_disabled_task_to_be_seen_will_be_missed() -> None:
    unseen = replace(MARKS, accounted_until=SLOT - DAY, next_run_at=SLOT, planned_next_run_at=SLOT)

    answer = asked(marks=unseen, columns=COLUMNS | {"enabled": 0})

    assert step(answer, "enabled") == "The task was disabled since: the slot will be recorded as missed."


def test_a_due_slot_of_an_invalid_task_says_what_to_mend() -> None:
    unseen = replace(
        MARKS, accounted_until=SLOT - DAY, planned_next_run_at=SLOT, invalid_reason="priority must be 1 to 10, got 99"
    )

    assert "the task is invalid (priority must be 1 to 10, got 99). Mend it" in asked(marks=unseen).sentence


# instants of the past without an outcome ---------------------------------------------------------------------------


def test_before_the_task_was_added_there_was_no_slot() -> None:
    added = change("create", SLOT + 60 * SECOND, **COLUMNS)

    assert asked(changes=(added,)).sentence == (
        "There is no slot at 2026-11-23 02:30 (Europe/Berlin): the task was added later, at 2026-11-23 02:31:00 by "
        "cli:ann."
    )


def test_after_the_task_was_deleted_there_is_no_slot() -> None:
    gone = change("delete", SLOT - DAY, old=COLUMNS)

    answer = asked(columns=None, marks=None, changes=(gone,))

    assert answer.sentence.endswith("the task was deleted at 2026-11-22 02:30:00 by cli:ann.")
    assert asked(SLOT + DAY, columns=None, marks=None, changes=(gone,)).outcome == "none"


def test_while_the_task_was_disabled_there_was_no_slot() -> None:
    off = change("disable", SLOT - DAY, old={"enabled": 1}, enabled=0)
    on = change("enable", SLOT + timedelta(hours=1), old={"enabled": 0}, enabled=1)

    assert asked(changes=(off, on)).sentence == (
        "There is no slot at 2026-11-23 02:30 (Europe/Berlin): the task was disabled from 2026-11-22 02:30:00 by "
        "cli:ann until 2026-11-23 03:30:00 by cli:ann."
    )


def test_under_another_pattern_it_was_no_slot() -> None:
    edit = change("update", SLOT + 60 * SECOND, old={"schedule_pattern": "0 4 * * *"}, schedule_pattern="30 2 * * *")

    assert asked(changes=(edit,)).sentence == (
        "There is no slot at 2026-11-23 02:30 (Europe/Berlin): '0 4 * * *' in Europe/Berlin does not fire then; the "
        "schedule was changed to '30 2 * * *' later, at 2026-11-23 02:31:00 by cli:ann. "
        "2026-11-22 04:00 is the slot before, 2026-11-23 04:00 is the slot after."
    )


def test_a_slot_passed_over_by_hand_names_whose() -> None:
    by_hand = change("update", SLOT - DAY, next_run_at="2026-11-23 05:00:00.000000")

    assert "the next slot was set by hand to 2026-11-23 06:00 at 2026-11-22 02:30:00 by cli:ann" in (
        asked(changes=(by_hand,)).sentence
    )


def test_what_nobody_can_know_is_not_guessed() -> None:
    assert "before the first slot on record" in asked(first_slot=SLOT + DAY).sentence
    assert "changed by SQL then, and no master noticed" in asked().sentence
    assert "no master has seen the task yet" in asked(marks=replace(MARKS, accounted_until=None)).sentence


def test_a_pattern_that_cannot_be_read_is_no_reason_to_fail() -> None:
    answer = asked(columns=COLUMNS | {"schedule_pattern": "every now and then", "time_zone": "Mars/Olympus"})

    assert "'every now and then' in Mars/Olympus does not fire then" in answer.sentence


def test_of_an_hour_that_comes_twice_the_slot_says_which() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    assert "2026-10-25 02:30 CEST" in asked(first, runs=(run(scheduled_for=first),)).sentence


def test_the_document_says_the_same() -> None:
    document = asked(runs=(run(**FAILED),)).document

    assert document["outcome"] == "failed"
    assert document["scheduled_for"] == "2026-11-23T01:30:00.000000Z"
    assert document["decisions"][0] == {
        "decision": "schedule",
        "says": "'30 2 * * *' in Europe/Berlin fires at this instant.",
    }
    assert document["attempts"][0]["exit_code"] == 3
