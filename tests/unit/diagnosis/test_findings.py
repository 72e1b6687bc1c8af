"""From facts to sentences: which verdict, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smart_cron.core.errors import SmartCronError
from smart_cron.services import diagnosis
from smart_cron.services.diagnosis import DatabaseFacts, Finding, Surroundings, Verdict, containment, parties, places

GIGABYTE = 1 << 30
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def surroundings(**changes: Any) -> Surroundings:
    facts: dict[str, Any] = {
        "node": "alpha",
        "folders": {},
        "exposed": (),
        "owner_uid": 0,
        "owner": "root",
        "starts_task_runner": True,
        "runner_pid": lambda: None,
        "database": "sqlite:////x.db",
        "read_database": lambda: DatabaseFacts(now=NOON),
    }
    return Surroundings(**{**facts, **changes})


def raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def place(**changes: Any) -> places.Place:
    facts: dict[str, Any] = {
        "name": "log",
        "path": Path("/srv/log"),
        "fault": None,
        "disk": Path("/srv"),
        "free_bytes": 5 * GIGABYTE,
        "files_left": 100_000,
    }
    return places.Place(**{**facts, **changes})


def test_a_probe_that_fails_is_a_finding_and_hides_no_other() -> None:
    def probe_broken_thing(_surroundings: Surroundings) -> list[Finding]:
        raise RuntimeError("no such thing")

    found = diagnosis.diagnose(surroundings(), probes=[probe_broken_thing, parties.probe_node])

    assert [(one.subject, one.verdict) for one in found] == [("broken thing", "wrong"), ("node", "ok")]
    assert "RuntimeError: no such thing" in found[0].sentence


def test_only_what_is_wrong_makes_it_unsound() -> None:
    notes = [Finding(subject="x", verdict=verdict, sentence="y.") for verdict in (Verdict.OK, Verdict.NOTE)]

    assert diagnosis.is_sound(notes)
    assert not diagnosis.is_sound([*notes, Finding(subject="x", verdict=Verdict.WRONG, sentence="y.")])


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "ok", "5.0 GB free on the disk at /srv"),
        ({"files_left": None}, "ok", "can be written"),
        ({"free_bytes": GIGABYTE // 2}, "note", "512 MB free"),
        ({"free_bytes": 5 << 20}, "wrong", "almost full: 5 MB"),
        ({"files_left": 12}, "wrong", "room for 12 more files"),
        ({"fault": "Read-only file system"}, "wrong", "Read-only file system"),
    ],
)
def test_a_directory_is_judged_by_its_disk(changes: dict[str, Any], verdict: str, words: str) -> None:
    found = places.judge_place(place(**changes))

    assert found.verdict == verdict
    assert words in found.sentence


def test_folders_on_one_full_disk_are_one_step_at_its_root() -> None:
    full = {"fault": "No space left on device", "free_bytes": 0}
    found = [
        places.judge_place(place(name="log", path=Path("/srv/log"), **full)),
        places.judge_place(place(name="runs", path=Path("/srv/runs"), **full)),
        places.judge_place(place(name="backups", path=Path("/srv/backups"), free_bytes=5 << 20)),
    ]

    (step,) = diagnosis.remedies(found)

    assert step.remedy.endswith(": du -xhd2 /srv | sort -h | tail")


def test_a_database_left_alone_for_open_folders_has_no_step_before_theirs() -> None:
    exposed = ["/srv/x can be written by others: chmod 750 /srv/x"]

    (found,) = parties.probe_database(surroundings(exposed=exposed, read_database=raising(AssertionError())))

    assert (found.verdict, found.remedy) == ("note", "")
    assert "not opened while others can write" in found.sentence


def test_a_missing_directory_is_wrong(tmp_path: Path) -> None:
    (found,) = places.probe_folders(surroundings(folders={"log": tmp_path / "log"}))

    assert (found.verdict, found.subject) == ("wrong", "log")
    assert "init" in found.remedy


def test_looking_at_a_directory_leaves_nothing_in_it(tmp_path: Path) -> None:
    (found,) = places.probe_folders(surroundings(folders={"log": tmp_path}))

    assert str(tmp_path) in found.sentence
    assert "cannot be written" not in found.sentence
    assert list(tmp_path.iterdir()) == []


def test_what_the_kernel_makes_up_cannot_be_written() -> None:
    assert places.write_fault(Path("/proc/self")) is not None


def test_directories_open_to_others_are_wrong_with_their_remedy() -> None:
    (found,) = places.probe_exposure(surroundings(exposed=["/srv/x can be written by others: chmod 750 /srv/x"]))

    assert found.sentence == "/srv/x can be written by others."
    assert found.remedy.startswith("chmod 750 /srv/x, ")


def test_a_task_runner_that_answers_is_named_by_its_process() -> None:
    (found,) = parties.probe_task_runner(surroundings(runner_pid=lambda: 4711))

    assert (found.verdict, "4711" in found.sentence) == ("ok", True)


@pytest.mark.parametrize(("starts", "verdict"), [(True, "note"), (False, "wrong")])
def test_a_missing_task_runner_is_wrong_where_a_unit_should_run_it(starts: bool, verdict: str) -> None:
    (found,) = parties.probe_task_runner(surroundings(starts_task_runner=starts))

    assert found.verdict == verdict


def test_a_task_runner_that_does_not_answer_is_wrong() -> None:
    silent = raising(OSError("the task runner does not answer"))

    (found,) = parties.probe_task_runner(surroundings(runner_pid=silent))

    assert (found.verdict, found.sentence) == ("wrong", "the task runner does not answer.")


def test_a_database_that_is_down_is_wrong_with_its_own_remedy() -> None:
    down = raising(SmartCronError("the database cannot be reached.", remedy="Start it."))

    (found,) = parties.probe_database(surroundings(read_database=down))

    assert (found.verdict, found.sentence, found.remedy) == ("wrong", "the database cannot be reached.", "Start it.")


@pytest.mark.parametrize(
    ("offset", "verdict", "words"),
    [
        (0.4, "ok", "agree"),
        (-2, "note", "2.0 s behind"),
        (7, "wrong", "7.0 s ahead of"),
        (-90_000, "wrong", "90000.0 s"),
    ],
)
def test_clocks_are_judged_by_how_far_they_are_apart(offset: float, verdict: str, words: str) -> None:
    found = parties.judge_clocks(timedelta(seconds=offset))

    assert found.verdict == verdict
    assert words in found.sentence


def test_cgroups_of_their_own_end_runs_as_a_whole() -> None:
    facts = containment.Containment(has_runner=True, has_cgroups=True, controllers=frozenset({"memory", "pids"}))

    assert containment.judge_ending(facts).verdict == "ok"
    assert containment.judge_limits(facts).verdict == "ok"


def test_without_cgroups_the_walk_and_what_it_cannot_find_are_told() -> None:
    facts = containment.Containment(has_runner=True, why_not="it is the root of the hierarchy")
    found = containment.judge_ending(facts)

    assert found.verdict == "note"
    assert "it is the root of the hierarchy" in found.sentence
    assert "service install" in found.remedy


@pytest.mark.parametrize(
    ("controllers", "words"),
    [
        ({"memory"}, "limits of memory, CPU seconds, open files, output and nice; one of processes is not kept"),
        ({"pids"}, "memory is sampled ten times a second; one of processes is kept too"),
        (set(), "memory is sampled ten times a second; one of processes is not kept"),
    ],
)
def test_each_limit_is_said_to_be_kept_or_not(controllers: set[str], words: str) -> None:
    facts = containment.Containment(has_runner=True, has_cgroups=True, controllers=frozenset(controllers))

    assert words in containment.judge_limits(facts).sentence


def test_a_task_runner_in_the_root_of_the_hierarchy_has_nothing_to_divide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containment.delegation, "cgroup_of", lambda _pid: "/nowhere/at/all")

    facts = containment.look_at_runner(4711)

    assert (facts.has_runner, facts.has_cgroups, facts.why_not) == (True, False, "it is the root of the hierarchy")


def test_a_machine_without_version_2_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containment.delegation, "cgroup_of", lambda _pid: None)

    assert containment.look_at_runner(4711).why_not == "this machine shows none of version 2"


def test_what_bubblewrap_complains_of_is_told() -> None:
    found = containment.judge_sandbox("bwrap: No permissions to create new namespace.")

    assert found.verdict == "note"
    assert "bwrap: No permissions to create new namespace." in found.sentence
    assert ".." not in found.sentence


def test_a_machine_without_bubblewrap_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smart_cron.taskrunner.sandbox.SEARCH_PATH", "/nowhere")

    (found,) = containment.probe_sandbox(surroundings())

    assert (found.verdict, "apt install bubblewrap" in found.remedy) == ("note", True)


@pytest.mark.parametrize(("uid", "verdict"), [(0, "ok"), (33, "note")])
def test_only_roots_home_runs_tasks_as_others(uid: int, verdict: str) -> None:
    (found,) = containment.probe_run_as(surroundings(owner_uid=uid, owner="someone"))

    assert found.verdict == verdict


def test_every_remedy_stands_beside_something_that_is_not_well() -> None:
    found = diagnosis.diagnose(surroundings())

    assert all(one.verdict != "ok" for one in found if one.remedy)
    assert all(one.sentence.endswith(".") for one in found)
