"""`ledger` and `why` over rows that tell a small story; what a reader sees, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.cli.conftest import Call, Result

from smart_cron.core.ledger import KEYS
from smart_cron.wiring import House

# A Sunday long past; the tasks of the story ran at 02:00 UTC.
DAY = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


@pytest.fixture
def story(house: House, add: object, call: Call) -> House:
    """A daily task: won on the first of March, failed and retried on the second, missed from the third to the sixth."""
    assert call("task", "add", "report", "--command", "true", "--schedule", "0 2 * * *").code == 0
    task, session = house.store.tasks.get("report"), house.store.session
    for day, attempt, status, code in ((0, 1, "success", 0), (1, 1, "failed", 3), (1, 2, "success", 0)):
        slot = DAY + timedelta(days=day)
        begun = slot + timedelta(seconds=64 * (attempt - 1))
        session.execute(
            """INSERT INTO smart_cron_executions (task_id, task_name, scheduled_for, attempt, status, exit_code, node,
                started_at, completed_at, execution_time, created_at, claimed_at, run_id, success, error_message)
             VALUES (%s, 'report', %s, %s, %s, %s, 'one', %s, %s, 4.0, %s, %s, %s, %s, %s)""",
            [
                task.id, _text(slot), attempt, status, code, _text(begun), _text(begun + timedelta(seconds=4)),
                _text(begun), _text(begun), f"run-{day}-{attempt}", int(code == 0),
                "Exit code 3: \x1b[31mdisk full" if code else None,
            ],
        )  # fmt: skip
    session.execute(
        """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome, reason,
            schedule_pattern, time_zone, recorded_at)
         VALUES (%s, 'report', %s, %s, 4, 'missed', 'no master was running to start it (on_missed is skip)',
            '0 2 * * *', 'UTC', %s)""",
        [task.id, *(_text(DAY + timedelta(days=day)) for day in (2, 5, 6))],
    )
    return house


def lines(result: Result) -> list[dict[str, object]]:
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


# ledger ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--jsonl", "--json"])
def test_the_ledger_has_a_line_for_each_attempt_and_each_slot_that_did_not_run(
    option: str, story: House, call: Call
) -> None:
    found = lines(call("ledger", option))

    assert [tuple(line) for line in found] == [KEYS] * 7
    assert [(line["attempt"], line["status"]) for line in found] == [
        (1, "success"), (1, "failed"), (2, "success"), *[(None, "missed")] * 4,
    ]  # fmt: skip
    assert found[-1]["scheduled_for"] == "2026-03-06T02:00:00.000000Z"


def test_the_summary_counts_by_outcome(story: House, call: Call) -> None:
    assert call("ledger").out.splitlines() == [
        "TASK    SUCCESS  FAILED  LOST  MISSED  SKIPPED  COALESCED  HELD  OPEN",
        "report        2       1     –       4        –          –     –     –",
    ]


def test_an_interval_cuts_ranges_too(story: House, call: Call) -> None:
    found = lines(call("ledger", "--jsonl", "--since", "2026-03-02", "--until", "2026-03-04 02:00"))

    assert [line["status"] for line in found] == ["failed", "success", "missed"]
    assert "     1       1     –       1" in call("ledger", "--since", "2026-03-02", "--until", "2026-03-04").out


def test_a_deleted_task_is_asked_for_by_its_name(story: House, call: Call) -> None:
    assert call("task", "remove", "report").code == 0

    assert len(lines(call("ledger", "--jsonl", "--task", "report"))) == 7
    assert lines(call("ledger", "--jsonl"))[0]["task"] == "report"


@pytest.mark.parametrize("words", [["ledger", "--task"], ["why"]])
def test_an_unknown_task_is_named_with_those_that_are_near(words: list[str], story: House, call: Call) -> None:
    result = call(*words, "Reprot")

    assert result.code == 1
    assert result.err == (
        "smart-cron: there is no task 'Reprot', and no history of a deleted one. Did you mean 'report'?\n"
    )
    assert "'smart-cron task list' shows them all." in call(*words, "zzz").err


@pytest.mark.parametrize("words", [["ledger"], ["why", "report"]])
def test_a_reversed_range_is_refused(words: list[str], story: House, call: Call) -> None:
    result = call(*words, "--since", "2026-03-04", "--until", "2026-03-01")

    assert result.code == 2
    assert "--since 2026-03-04 is not before --until 2026-03-01 (times in UTC)" in result.err


@pytest.mark.parametrize(
    "words",
    [["ledger", "--since", "soon"], ["why", "report", "--since", "soon"], ["why", "report", "--at", "soon"]],
)
def test_a_time_that_cannot_be_read_is_refused_with_the_forms(words: list[str], story: House, call: Call) -> None:
    result = call(*words)

    assert result.code == 2
    assert "'soon' is no point in time; write it like 2026-11-23" in " ".join(result.err.split())


@pytest.mark.parametrize("time", ["9999-12-31T23:59", "9999-12-30", "0001-01-02", "-999999h"])
@pytest.mark.parametrize(
    "words", [["ledger", "--since"], ["why", "report", "--since"], ["why", "report", "--at"]], ids=" ".join
)
def test_a_time_at_the_ends_of_the_calendar_is_refused_in_a_sentence(
    words: list[str], time: str, story: House, call: Call
) -> None:
    result = call(*words, time)

    assert result.code == 2
    assert "is out of reach; the years from 1970 to 9998 are known" in " ".join(result.err.split())


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59", "0001-01-01T00:00:00"])
def test_no_slot_is_set_to_the_ends_of_the_calendar(time: str, story: House, call: Call) -> None:
    result = call("task", "edit", "report", "--next-run-at", time)

    assert result.code == 2
    assert "is out of reach" in result.err


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    "at", ["9999-12-31 23:59:00.000000", "9998-12-31 23:59:00.000000", "0001-01-01 00:00:00.000000"]
)
def test_a_slot_that_sql_set_to_the_ends_of_the_calendar_harms_nobody_who_asks(
    at: str, zone: str, story: House, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_TIME_ZONE", zone)
    story.store.session.execute("UPDATE smart_cron_tasks_config SET next_run_at = %s", [at])
    asked = (
        "why report", "why report --at 9998-12-30T23:59", "why report --since -1d", "why report --json", "task list",
        "why report --since 1970-01-02 --until 1971-01-01", "task show report", "task next report", "ledger",
    )  # fmt: skip

    results = {words: call(*words.split()) for words in asked}

    assert {words: result.err for words, result in results.items() if result.code} == {}


def test_an_empty_ledger_says_so(home: object, call: Call) -> None:
    assert call("ledger").out == "Nothing is on record in all.\n"
    assert call("ledger", "--jsonl").out == ""


# why ---------------------------------------------------------------------------------------------------------------


def test_why_tells_the_last_slot_and_the_next(story: House, call: Call) -> None:
    out = call("why", "report").out

    assert out.startswith("The slot of 2026-03-06 02:00 (UTC) was missed: no master was running to start it")
    assert "will run as things stand" in out
    assert out.endswith("(times in UTC)\n")


def test_why_tells_the_chain_of_a_slot(story: House, call: Call) -> None:
    out = call("why", "report", "--at", "2026-03-02 02:00").out

    assert out.startswith(
        "The slot of 2026-03-02 02:00 (UTC) ran: attempt 1 failed with exit code 3 after 4 s; "
        "attempt 2, a retry 1 min later, succeeded after 4 s.\n"
    )
    assert "Node 'one' claimed attempt 2 at 2026-03-02 02:01:04." in out
    assert "\\x1b[31mdisk full" in out
    assert "\x1b" not in out


def test_times_are_in_the_configured_zone_and_it_is_said(
    story: House, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_TIME_ZONE", "Europe/Berlin")

    result = call("why", "report", "--at", "2026-03-02 03:00")

    assert result.out.startswith("The slot of 2026-03-02 03:00 (Europe/Berlin) ran: ")
    assert "never was in Europe/Berlin" in call("why", "report", "--at", "2026-03-29 02:30").err


def test_a_slot_set_by_hand_is_found_by_its_minute(story: House, call: Call) -> None:
    story.store.session.execute(
        "UPDATE smart_cron_executions SET scheduled_for = '2026-03-01 02:07:09.000000' WHERE run_id = 'run-0-1'"
    )

    assert "The slot of 2026-03-01 02:07:09 (UTC) ran" in call("why", "report", "--at", "2026-03-01 02:07").out
    assert "There is no slot at 2026-03-01 02:07" in call("why", "report", "--at", "2026-03-01 02:07:00").out


def test_the_story_of_an_interval_is_a_sentence_an_event(story: House, call: Call) -> None:
    told = call("why", "report", "--since", "2026-03-01", "--until", "2026-03-20").out.splitlines()

    assert told == [
        "The slot of 2026-03-01 02:00 (UTC) ran and succeeded after 4 s.",
        (
            "The slot of 2026-03-02 02:00 (UTC) ran: attempt 1 failed with exit code 3 after 4 s; "
            "attempt 2, a retry 1 min later, succeeded after 4 s."
        ),
        (
            "The 4 slots from 2026-03-03 02:00 to 2026-03-06 02:00 (UTC) were missed: "
            "no master was running to start it (on_missed is skip)."
        ),
    ]


def test_the_story_names_changes_and_slots_to_come(story: House, call: Call) -> None:
    assert call("task", "disable", "report").code == 0
    assert call("task", "edit", "report", "--schedule", "0 4 * * *", "--enabled").code == 0

    told = call("why", "report", "--since", "-1h", "--until", "+48h").out

    assert "disabled the task." in told
    assert "changed schedule_pattern to '0 4 * * *' and enabled." in told
    assert "2 slots from" in told
    assert "are to come as things stand." in told


def test_an_interval_with_nothing_in_it_says_so(story: House, call: Call) -> None:
    told = call("why", "report", "--since", "2020-01-01", "--until", "2020-01-02").out

    assert told == "Nothing is on record of that time, and no slot lies in it (times in UTC).\n"


def test_json_gives_the_same_facts(story: House, call: Call) -> None:
    [answer] = call("why", "report", "--at", "2026-03-04T02:00Z", "--json").document
    events = lines(call("why", "report", "--since", "2026-03-01", "--until", "2026-03-20", "--json"))

    assert answer["outcome"] == "missed"
    assert answer["scheduled_for"] == "2026-03-04T02:00:00.000000Z"
    assert [step["decision"] for step in answer["decisions"]] == ["schedule", "enabled", "planned", "misfire"]
    assert [event["kind"] for event in events] == ["slot", "slot", "not_run"]
    assert events[2]["count"] == 4


@pytest.mark.slow
def test_a_new_name_for_a_deleted_task_does_not_hide_its_history(story: House, call: Call) -> None:
    assert call("task", "remove", "report").code == 0
    assert call("task", "add", "report", "--command", "true", "--schedule", "0 5 * * *").code == 0

    assert "attempt 2" in call("why", "report", "--at", "2026-03-02 02:00").out
    assert "was missed" not in call("why", "report").out


def test_a_deleted_task_says_that_it_was_deleted(story: House, call: Call) -> None:
    assert call("task", "remove", "report").code == 0

    assert "the task was deleted at" in call("why", "report", "--at", "+1h").out


@pytest.mark.parametrize("words", [["--at", "now", "--since", "-1h"], ["--until", "now"]])
def test_one_slot_or_one_interval_is_asked_about(words: list[str], story: House, call: Call) -> None:
    assert call("why", "report", *words).code == 2


def test_a_task_without_slots_says_so(home: object, add: object, call: Call) -> None:
    assert call("task", "add", "boot", "--command", "true", "--schedule", "@reboot").code == 0

    assert call("why", "boot").out == "boot has had no slot yet, and has none to come.\n"
