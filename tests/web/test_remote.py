"""`smart-cron --server URL`: the same commands, asked of a dashboard."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.process.cli import Console
from tests.web.api_callers import make_key
from tests.web.conftest import Dashboard, House, housed, served
from tests.web.furniture import opened
from tests.web.visitors import add_users

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.remote.backups import RemoteBackups
from smart_cron.faces.cli.remote.client import Api

pytestmark = pytest.mark.slow
Far = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def served_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with housed(tmp_path_factory.mktemp("home")) as house:
        dashboard = served(house)
        add_users(dashboard, ["viewer", "admin"])
        house.start_master()
        yield dashboard


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    folder.chmod(0o755)
    made = folder / "job.sh"
    made.write_text('#!/bin/sh\necho "hello $1"; echo oops >&2; exit 3\n')
    made.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def far(served_house: Dashboard, tmp_path_factory: pytest.TempPathFactory) -> Far:
    """Call a command from a machine that has no home of its own."""
    nowhere = Console(tmp_path_factory.mktemp("far") / "nothing")
    keys = {role: _key_file(served_house.house, role, nowhere.home.parent) for role in ("viewer", "admin")}

    def call(*words: str, role: str = "admin") -> subprocess.CompletedProcess[bytes]:
        server = f"http://127.0.0.1:{served_house.port}"
        return nowhere.call("--server", server, "--api-key-file", str(keys[role]), *words)

    return call


def _key_file(house: House, role: str, folder: Path) -> Path:
    path = folder / f"{role}.key"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
        file.write(make_key(house, role, role) + "\n")
    return path


def sure(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_task_is_defined_changed_and_removed_from_afar(far: Far, served_house: Dashboard, script: Path) -> None:
    assert "is defined" in sure(far("task", "add", "one", "--script", str(script), "--schedule", "@daily"))
    sure(far("task", "edit", "one", "--priority", "2", "--memory-mb", "64", "--env", "SHOP=eu"))
    here = json.loads(served_house.house.sure("task", "show", "one", "--json"))
    assert (here["priority"], here["max_memory_mb"], here["environment"]) == (2, 64, {"SHOP": "eu"})
    there = json.loads(sure(far("task", "show", "one", "--json")))
    # The master plans it meanwhile.
    assert {**there, "next_run_at": None} == {**here, "next_run_at": None}
    assert "is disabled" in sure(far("task", "disable", "one"))
    assert "disabled" in sure(far("task", "list"))
    sure(far("task", "remove", "one", "--yes"))
    gone = far("task", "show", "one")
    assert (gone.returncode, b"there is no task 'one'" in gone.stderr) == (1, True)


def test_a_run_from_afar_is_waited_for_and_prints_what_it_printed(far: Far, script: Path) -> None:
    sure(far("task", "add", "two", "--script", str(script), "--schedule", "@daily"))

    done = far("task", "run", "two", "--wait", "--", "world")

    assert (done.returncode, done.stdout) == (3, b"hello world\n")
    assert done.stderr.startswith(b"oops\n")
    listed = json.loads(sure(far("run", "list", "--task", "two", "--json")))
    assert [(row["status"], row["exit_code"]) for row in listed] == [("failed", 3)]
    assert "Exit code 3" in sure(far("run", "show", str(listed[0]["id"])))
    assert far("run", "kill", str(listed[0]["id"])).returncode == 1


def test_why_and_the_ledger_say_from_afar_what_they_say_on_the_machine(
    far: Far, served_house: Dashboard, script: Path
) -> None:
    house = served_house.house
    sure(far("task", "add", "three", "--script", str(script), "--schedule", "0 2 * * *"))
    far("task", "run", "three", "--wait")

    for words in (
        ("why", "three", "--json"),
        ("why", "three", "--at", "2026-11-01 02:00", "--json"),
        ("why", "three", "--at", "2026-11-01 02:30"),
        ("why", "three", "--since", "-1d"),
        ("why", "three", "--since", "-1d", "--json"),
        ("ledger", "--task", "three", "--jsonl"),
        ("ledger", "--task", "three"),
    ):
        assert sure(far(*words)) == house.sure(*words).decode(), words
    assert "manual" in sure(far("ledger", "--task", "three", "--jsonl"))
    assert "'nobody'" in far("why", "nobody").stderr.decode()


def test_nodes_are_listed_and_forgotten_from_afar(far: Far, served_house: Dashboard) -> None:
    here = json.loads(served_house.house.sure("node", "list", "--json"))[0]
    there = json.loads(sure(far("node", "list", "--json")))[0]

    assert {**there, "heard_at": None, "heartbeats": None} == {**here, "heard_at": None, "heartbeats": None}
    assert here["name"] in sure(far("node", "list"))
    assert b"is alive" in far("node", "forget", here["name"], "--yes").stderr
    assert b"nobody" in far("node", "forget", "nobody", "--yes").stderr
    assert far("node", "forget", here["name"], "--yes", role="viewer").returncode == 1


def test_the_settings_of_a_server_are_shown_as_on_the_machine(far: Far, served_house: Dashboard) -> None:
    here = json.loads(served_house.house.sure("config", "show", "--json"))
    there = json.loads(sure(far("config", "show", "--json")))

    assert there["max_concurrent"] == here["max_concurrent"]
    assert there["web"]["port"] == here["web"]["port"]
    assert set(there) == set(here)
    assert "max_concurrent = " in sure(far("config", "show"))
    assert b"needs the role admin" in far("config", "show", role="viewer").stderr


def test_users_are_let_in_and_changed_from_afar(far: Far, served_house: Dashboard) -> None:
    there = served_house.house
    add_users(served_house, ["guest"], role="viewer")

    told, known = json.loads(sure(far("user", "list", "--json"))), json.loads(there.sure("user", "list", "--json"))
    # The API has instants to the millisecond.
    assert [{**row, "created_at": ""} for row in told] == [{**row, "created_at": ""} for row in known]
    assert "guest" in sure(far("user", "list"))
    sure(far("user", "role", "guest", "operator"))
    sure(far("user", "groups", "guest", "eu", ""))
    sure(far("user", "disable", "guest"))
    row = next(each for each in json.loads(there.sure("user", "list", "--json")) if each["name"] == "guest")
    assert (row["role"], row["groups"], row["is_active"]) == ("operator", ["", "eu"], False)
    assert "had 0 second factors" in sure(far("user", "reset-mfa", "guest"))
    for words in (("passwd", "guest"), ("link", "guest", "1"), ("role", "guest", "viewer", "--dry-run")):
        refused = far("user", *words)
        assert (refused.returncode, refused.stderr.count(b"\n")) == (1, 1), refused.stderr
    assert b"only admin" in far("user", "disable", "admin").stderr
    assert b"needs the role admin" in far("user", "list", role="viewer").stderr


def test_held_slots_are_decided_on_from_afar(far: Far, served_house: Dashboard, script: Path) -> None:
    house = served_house.house
    sure(far("task", "add", "four", "--script", str(script), "--schedule", "@daily", "--disabled"))
    with opened(served_house) as store:
        store.session.execute(
            """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
             reason, schedule_pattern, time_zone)
             VALUES (%s, 'four', '2026-11-01 00:00:00.000000', '2026-11-04 00:00:00.000000', 4, 'held', 'was missed',
                '0 0 * * *', 'UTC')""",
            [store.tasks.get("four").id],
        )
    assert sure(far("task", "held", "list", "--json")) == house.sure("task", "held", "list", "--json").decode()
    assert sure(far("task", "held", "list", "four")) == house.sure("task", "held", "list", "four").decode()
    assert "1 slot of 'four' will run" in sure(far("task", "held", "run", "four", "--newest"))
    assert "1 slot" in sure(far("task", "held", "drop", "four", "--slot", "2026-11-02", "--yes"))
    assert b"no held slot" in far("task", "held", "run", "four", "--slot", "2026-11-02").stderr
    assert "2 slots" in sure(far("task", "held", "drop", "four", "--all", "--yes"))
    assert "No slot waits" in sure(far("task", "held", "list"))
    assert far("task", "held", "drop", "four", "--all", "--yes", role="viewer").returncode == 1


def test_health_and_the_log_are_told_from_afar(far: Far, served_house: Dashboard) -> None:
    house = served_house.house
    house.call("health")
    here = json.loads(house.call("health", "--json").stdout)
    done = far("health", "--json")
    there = json.loads(done.stdout)

    assert done.returncode == (0 if there["healthy"] else 1)
    assert {each["check"] for each in there["findings"]} >= {each["check"] for each in here["findings"]}
    assert there["checked_at"]
    assert far("health").stdout.decode().count("\n") == len(there["findings"]) + 1
    lines = sure(far("logs", "--lines", "5", "--json")).splitlines()
    assert len(lines) == 5
    assert [json.loads(line)["timestamp"] for line in lines] == sorted(json.loads(line)["timestamp"] for line in lines)
    assert all("Master started" in line for line in sure(far("logs", "--search", "Master started")).splitlines())
    assert b"on the machine itself" in far("logs", "--follow").stderr


def test_the_audit_log_is_read_from_afar(far: Far, served_house: Dashboard, script: Path) -> None:
    house = served_house.house
    sure(far("task", "add", "five", "--script", str(script), "--schedule", "@daily", "--disabled"))
    sure(far("task", "edit", "five", "--priority", "3"))

    for words in (("--task", "five"), ("--task", "five", "--json"), ("--action", "update", "--limit", "1", "--json")):
        assert sure(far("audit", "list", *words)) == house.sure("audit", "list", *words).decode(), words
    assert far("audit", "list", role="viewer").returncode == 1


def test_backups_are_taken_and_proven_from_afar(far: Far, served_house: Dashboard) -> None:
    taken = json.loads(sure(far("backup", "create", "--label", "from afar", "--json")))
    assert (taken["status"], taken["label"], taken["reason"]) == ("verified", "from afar", "manual")
    assert "is verified" in sure(far("backup", "verify", taken["file"]))
    there = json.loads(sure(far("backup", "list", "--json")))
    here = json.loads(served_house.house.sure("backup", "list", "--json"))
    # The API tells instants to the millisecond, and no path.
    apart = dict.fromkeys(("path", "created_at", "verified_at"))
    assert [each | apart for each in there] == [each | apart for each in here]
    assert taken["file"] in sure(far("backup", "list"))
    assert b"there is no backup 'nothing'" in far("backup", "verify", "nothing").stderr


def test_whoever_waits_for_a_backup_of_a_server_that_was_started_anew_is_told(tmp_path: Path) -> None:
    with housed(tmp_path) as house:
        add_users(dashboard := served(house), ["admin"])
        backups = RemoteBackups(Api(f"http://127.0.0.1:{dashboard.port}", make_key(house, "admin", "admin")))

        # As after a restart: the process that answers now took no backup.
        with pytest.raises(SmartCronError, match=r"started anew meanwhile(.|\n)*smart-cron backup list"):
            backups._see_through({"changed": True})


def test_everything_is_stopped_and_resumed_from_afar(far: Far, served_house: Dashboard) -> None:
    assert "Nothing starts" in sure(far("stop-all", "--reason", "a fire", "--yes"))
    hold = json.loads(served_house.house.sure("stop-all", "--resume", "--dry-run", "--json"))
    assert hold["reason"] == "a fire"
    assert "Tasks start again" in sure(far("stop-all", "--resume"))
    assert b"cannot be rehearsed" in far("stop-all", "--dry-run").stderr


def test_faults_of_a_task_are_told_as_on_the_machine(far: Far) -> None:
    done = far("task", "add", "three", "--script", "relative", "--schedule", "0 0 30 2 *")

    assert done.returncode == 1
    assert b"2 problems" in done.stderr


def test_a_role_bounds_what_is_done_from_afar(far: Far) -> None:
    done = far("task", "add", "four", "--command", "id", "--schedule", "@daily", role="viewer")

    assert (done.returncode, b"needs the role editor" in done.stderr) == (1, True)


def test_what_only_the_machine_can_do_is_refused(far: Far) -> None:
    for words in (
        ("config", "check"),
        ("master",),
        ("db", "check"),
        ("doctor",),
        ("backup", "restore", "x", "--yes"),
        ("backup", "prune"),
        ("backup", "create", "--dry-run"),
        ("audit", "verify"),
        ("init",),
    ):
        done = far(*words)
        assert (done.returncode, b"on the machine itself" in done.stderr) == (1, True), (words, done.stderr)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("http://cron.example.org", "could be read on the way"),
        ("ftp://127.0.0.1", "is no address"),
        ("http://127.0.0.1:1", "does not answer"),
        ("http://user:pass@127.0.0.1", "is no address"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told(tmp_path: Path, server: str, said: str) -> None:
    key = tmp_path / "key"
    key.write_text("x" * 60)
    key.chmod(0o600)

    done = Console(tmp_path / "home").call("--server", server, "--api-key-file", str(key), "task", "list")

    assert (done.returncode, said in done.stderr.decode()) == (1, True), done.stderr


def test_a_key_that_others_could_read_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x" * 60)
    key.chmod(0o644)

    done = Console(tmp_path / "home").call("--server", "http://127.0.0.1:1", "--api-key-file", str(key), "task", "list")

    assert (done.returncode, b"open to others" in done.stderr) == (1, True)
