"""The five cases, from values to findings: which of them it is, why, and what to do."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.diagnosis.test_findings import surroundings

from smart_cron.core.node import Hold, NodeRecord
from smart_cron.core.ports.health import Backlog
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.services import diagnosis
from smart_cron.services.diagnosis import (
    Case,
    DatabaseFacts,
    Finding,
    Fix,
    FixKind,
    LastFailure,
    Receiver,
    Starters,
    Surroundings,
    failures,
    starting,
    stuck,
    telling,
    waiting,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN = frozenset({"SMART_CRON_MAX_CONCURRENT", "SMART_CRON_DATABASE", "SMART_CRON_DATABASE__", "SMART_CRON_LOG_LEVEL"})


def task(name: str = "x", **changes: Any) -> Task:
    definition = {"shell_command": "true", "schedule": "* * * * *"} | changes.pop("definition", {})
    if "script" in definition:
        definition["shell_command"] = None
    return Task(id=changes.pop("id", 1), definition=TaskDefinition(name=name, **definition), **changes)


def node(**changes: Any) -> NodeRecord:
    facts: dict[str, Any] = {
        "name": "alpha", "identity": "i", "boot_id": "b", "host": "h", "version": "1", "master_pid": 77,
        "max_concurrent": 10, "tags": (), "heartbeats": 1, "heartbeat_at": NOW, "started_at": NOW, "stopped_at": None,
        "forgotten_at": None,
    }  # fmt: skip
    return NodeRecord(**{**facts, **changes})


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": 5, "task_id": 1, "task_name": "x", "status": "running", "node": "alpha", "run_id": None,
        "claimed_at": NOW - timedelta(hours=1), "allowed_seconds": 10, "task_group": None, "due_at": None,
    } | changes  # fmt: skip


def with_facts(facts: dict[str, Any], **changes: Any) -> Surroundings:
    return surroundings(read_database=lambda: DatabaseFacts(**{"now": NOW, **facts}), **changes)


@pytest.mark.parametrize(
    ("facts", "subject", "words"),
    [
        ({"holds": [Hold(kind="stopped", reason="r", actor="me", since=NOW)]}, "hold", "stop-all --resume"),
        ({"holds": [Hold(kind="restored", reason="r", actor="me", since=NOW)]}, "hold", "smart-cron recover"),
        ({"tasks": [task(definition={"enabled": False})]}, "tasks", "task enable x"),
        ({"tasks": [task(invalid_reason="no such zone")]}, "task", "task edit x"),
        ({"tasks": [task(definition={"node_tag": "gpu"})], "nodes": [node()]}, "node tag", "--node-tag ''"),
        ({"tasks": [task("a b", next_run_at=NOW - timedelta(hours=1))]}, "overdue", "smart-cron why 'a b' --at"),
        ({"held_slots": 3}, "held slots", "task held list"),
        ({"pending": [row(status="blocked", task_group="g")]}, "group", "group_limits"),
    ],
)
def test_tasks_that_do_not_run_have_a_reason_and_a_remedy(facts: dict[str, Any], subject: str, words: str) -> None:
    (found,) = waiting.probe_tasks(with_facts(facts))

    assert (found.case, found.subject) == (Case.NOT_RUNNING, subject)
    assert words in found.remedy


def test_places_taken_by_long_runs_are_named_with_the_longest() -> None:
    waits = row(id=6, status="waiting", due_at=NOW - timedelta(minutes=9))

    (found,) = waiting.probe_tasks(with_facts({"held": [row()], "pending": [waits]}, max_concurrent=1))

    assert (found.subject, "run kill 5" in found.remedy) == ("places", True)


def test_many_invalid_tasks_are_counted_and_not_listed() -> None:
    many = [task(f"t{number}", id=number, invalid_reason="bad") for number in range(9)]

    found = waiting.probe_tasks(with_facts({"tasks": many}))

    assert len(found) == waiting.NAMED + 1
    assert found[-1].sentence == "4 more tasks are invalid."


def test_tasks_that_come_due_in_time_are_well() -> None:
    (found,) = waiting.probe_tasks(with_facts({"tasks": [task(next_run_at=NOW)]}))

    assert (found.verdict, "none is overdue" in found.sentence) == ("ok", True)


def test_built_in_tasks_alone_are_not_called_none() -> None:
    built_in = task("smart_cron_health", next_run_at=NOW, definition={"origin": "builtin"})

    (found,) = waiting.probe_tasks(with_facts({"tasks": [built_in]}))

    assert found.sentence.startswith("nobody added a task yet; built-in ones that are enabled: 1; the next slot")


@pytest.mark.parametrize(
    ("starters", "facts", "verdict", "words"),
    [
        (Starters(), {"tasks": [task()]}, "wrong", "nothing is installed that starts one: 1 task will not run"),
        (Starters(), {}, "note", "no master works for this node"),
        (Starters(), {"tasks": [task()], "nodes": [node(name="beta")]}, "note", "these nodes have one: beta"),
        (Starters(), {"tasks": [task()], "nodes": [node(stopped_at=NOW)]}, "note", "its last pass ended at"),
        (Starters(crontab="the crontab of root"), {"tasks": [task()]}, "ok", "cron starts a pass each minute"),
        (Starters(units=["smart-cron.service"], systemd=True), {}, "wrong", "although its units are installed"),
        (Starters(units=["smart-cron.service"]), {}, "wrong", "systemd is not this machine's first process"),
    ],
)
def test_a_missing_master_is_judged_by_what_would_start_it(
    starters: Starters, facts: dict[str, Any], verdict: str, words: str
) -> None:
    around = with_facts(facts, starters=lambda: starters, programs=lambda: frozenset({"cron"}))

    (found,) = starting.probe_master(around)

    assert found.verdict == verdict
    assert words in found.sentence


def test_lines_in_a_crontab_without_a_cron_daemon_start_nothing() -> None:
    _, found = starting.probe_master(with_facts({}, starters=lambda: Starters(crontab="the crontab of root")))

    assert (found.case, found.remedy) == (Case.NOT_RUNNING, "Start it: service cron restart")


def test_a_master_without_a_sign_of_life_is_named_by_its_process() -> None:
    silent = node(heartbeat_at=NOW - timedelta(hours=1), started_at=NOW - timedelta(hours=2))

    (found,) = starting.probe_master(with_facts({"nodes": [silent]}, master_works=lambda: True))

    assert (found.verdict, "kill -KILL 77" in found.remedy) == ("wrong", True)


def test_a_mark_without_a_run_is_stuck_and_can_be_healed() -> None:
    (found,) = stuck.probe_stuck(with_facts({"tasks": [task(is_running=True)]}))

    assert (found.case, found.fix) == (Case.STUCK, Fix(kind=FixKind.HEAL))


def test_a_run_without_a_process_is_stuck_where_nobody_settles_it(tmp_path: Path) -> None:
    facts, folders = {"held": [row(run_id="9" * 8)]}, {"runs": tmp_path}

    (alone,) = stuck.probe_stuck(with_facts(facts, folders=folders, node="alpha"))
    (cared_for,) = stuck.probe_stuck(with_facts(facts, folders=folders, node="alpha", master_works=lambda: True))

    assert (alone.case, alone.remedy) == (Case.STUCK, stuck.RECORD)
    assert cared_for.verdict == "ok"


def test_runs_of_a_silent_node_are_stuck_until_it_is_back_or_forgotten() -> None:
    silent = node(name="gone", held=2, heartbeat_at=NOW - timedelta(hours=1), started_at=NOW - timedelta(hours=2))

    (found,) = stuck.probe_stuck(with_facts({"nodes": [silent]}))

    assert (found.case, "node forget gone" in found.remedy) == (Case.STUCK, True)


@pytest.mark.parametrize(
    ("count", "status", "verdict", "words"),
    [
        (1, "failed", "note", "x: read what it printed: smart-cron run logs 3"),
        (5, "failed", "wrong", "x: read what it printed: smart-cron run logs 3"),
        (5, "timeout", "wrong", "task edit x --timeout 10s"),
        (5, "oom", "wrong", "--memory-mb"),
    ],
)
def test_failures_in_a_row_are_judged_by_the_threshold(count: int, status: str, verdict: str, words: str) -> None:
    last = LastFailure(run_id=3, status=status, message="Exit code 2", last_line="boom", at=NOW)

    failing = task(consecutive_failures=count, definition={"timeout": timedelta(seconds=5)})

    (found,) = failures.probe_failures(with_facts({"tasks": [failing], "failures": {1: last}}))

    assert (found.verdict, found.case) == (verdict, Case.FAILURES)
    assert "Exit code 2, its last error line: boom" in found.sentence
    assert words in found.remedy


def test_what_a_database_that_is_down_would_tell_is_left_to_its_own_probe() -> None:
    from smart_cron.core.errors import DatabaseUnavailableError

    def refuse() -> DatabaseFacts:
        raise DatabaseUnavailableError("down.")

    around = surroundings(read_database=refuse)

    assert waiting.probe_tasks(around) == stuck.probe_stuck(around) == failures.probe_failures(around) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SMART_CRON_MAX_CONCURENT", "SMART_CRON_MAX_CONCURRENT"),
        ("SMART_CRON_LOGLEVEL", "SMART_CRON_LOG_LEVEL"),
        ("SMART_CRON_QUITE_ANOTHER_THING", None),
    ],
)
def test_a_mistyped_name_is_told_with_the_one_that_was_meant(name: str, meant: str | None) -> None:
    (found,) = telling.judge_names([name], KNOWN)

    assert found.verdict == "wrong"
    assert (f"Rename it to {meant}" in found.remedy) is (meant is not None)


def test_settings_their_files_and_tables_are_known_names() -> None:
    names = ["SMART_CRON_MAX_CONCURRENT", "smart_cron_log_level", "SMART_CRON_DATABASE__URL_FILE"]

    assert telling.judge_names(names, KNOWN) == []


def test_a_way_out_that_failed_its_last_test_is_wrong_and_named_with_its_step() -> None:
    ways = [Receiver(channel="email", words="ops@example.org"), Receiver(channel="hook", words="channel 'hook'")]
    shut = [replace(way, failed="its last test failed on 2026-03-01: 550 no") for way in ways]

    def told(*receivers: Receiver) -> list[tuple[str, str]]:
        return [(each.verdict, each.remedy) for each in telling.probe_receivers(surroundings(receivers=receivers))]

    step = "Mend 'hook', then try it: smart-cron alert test hook"
    assert told(*ways) == [("ok", "")]
    assert told(ways[0], shut[1]) == [("ok", ""), ("wrong", step)]
    assert [verdict for verdict, _ in told(*shut)] == ["wrong", "wrong"]


def test_a_message_that_was_refused_is_noted_with_the_words_of_the_server() -> None:
    of = with_facts({"undelivered": Backlog(failed=2, refusal="ops mail: 550 no such user")})

    (found,) = telling.probe_messages(of)

    assert "2 given up" in found.sentence
    assert "ops mail: 550 no such user." in found.sentence
    assert found.remedy == "Try it: smart-cron alert test 'ops mail'"
    assert telling.probe_messages(with_facts({})) == []


def test_a_fault_in_a_channels_settings_is_wrong_and_names_its_key() -> None:
    fault = "channels.hook.url: evil.example is not allowed"

    *_, found = telling.probe_receivers(surroundings(receiver_faults=[fault], settings_file=Path("/x.toml")))

    assert (found.verdict, found.remedy) == (
        "wrong",
        "Mend channels.hook.url in /x.toml, then: smart-cron config check",
    )


def test_remedies_come_once_and_the_most_urgent_first() -> None:
    def finding(verdict: str, case: Case | None, remedy: str) -> Finding:
        return Finding(subject="s", verdict=diagnosis.Verdict(verdict), sentence="x.", remedy=remedy, case=case)

    found = [
        finding("note", None, "later"), finding("wrong", Case.FAILURES, "d"), finding("wrong", None, "e"),
        finding("wrong", Case.NOT_RUNNING, "c"), finding("wrong", Case.DISK, "a"), finding("wrong", Case.DATABASE, "b"),
        finding("wrong", Case.FAILURES, "d"), finding("ok", None, ""),
    ]  # fmt: skip

    assert [each.remedy for each in diagnosis.remedies(found)] == ["a", "b", "c", "d", "e", "later"]


def test_a_probe_that_hangs_is_a_finding() -> None:
    over = threading.Event()

    def probe_database(_surroundings: Surroundings) -> list[Finding]:
        over.wait()
        return []

    (found,) = diagnosis.diagnose(surroundings(), probes=[probe_database], deadline_seconds=0.05)
    over.set()

    assert (found.subject, found.case) == ("database", Case.DATABASE)
    assert "hangs" in found.sentence


def test_work_that_hangs_is_given_up_and_what_it_raises_is_raised() -> None:
    over = threading.Event()

    assert diagnosis.within(0.01, over.wait) is None
    over.set()
    assert diagnosis.within(60, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        diagnosis.within(60, lambda: 1 // 0)
