"""`smart-cron db move` as a person calls it, killed where it hurts, and the master on the other side."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import warm
from tests.moving.conftest import fill
from tests.process.cli import Console, wait_until

from smart_cron.store.gateway import Store
from smart_cron.wiring import House

pytestmark = pytest.mark.slow

EmptyDatabase = Callable[[str, str], str]
# Ends this process without a last word at the nth call of a step of the move.
KILLED = """
import os, signal, sys
from smart_cron.moving import safety, whole
from smart_cron.store.moving import arrival, copying, counters
places = {"arrival": arrival, "copy": copying.TableCopy, "counters": counters, "whole": whole}
place, name, calls = places[sys.argv[1]], sys.argv[2], int(sys.argv[3])
copying.BATCH_ROWS = 500
real = getattr(place, name)
def deadly(*args, **kwargs):
    global calls
    calls -= 1
    if calls == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **kwargs)
setattr(place, name, deadly)
from smart_cron.faces.cli.main import main
main(["db", "move", "--to", sys.argv[4]])
"""
POINTS = (
    ("arrival", "_mark", 1),
    ("copy", "_write", 4),
    ("copy", "_sum_there", 14),
    ("arrival", "complete", 1),
    ("whole", "note_end", 1),
)


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_move_killed_at_each_of_its_steps_ends_whole(
    kind: str,
    console: Console,
    house_of: Callable[..., House],
    opened: Callable[[str], Store],
    empty_database: EmptyDatabase,
) -> None:
    fill(house_of().store, runs=2000)
    url = empty_database(kind, "killed")

    for point in POINTS:
        done = warm.run([sys.executable, "-c", KILLED, *map(str, point), url], env=console.environment, timeout=120)
        assert done.returncode == -signal.SIGKILL, (point, done.stderr)
    again = json.loads(console.sure("db", "move", "--to", url, "--json"))

    count = "SELECT COUNT(*) FROM smart_cron_executions"
    assert again["done"]
    assert opened(url).session.row(count) == (2000,)
    assert opened(url).session.row("SELECT COUNT(*) FROM smart_cron_audit_log WHERE action = 'move'") == (1,)
    assert opened(url).holds.holds() == []


def test_the_master_goes_on_where_it_was_and_what_runs_meanwhile_is_recorded_there(
    console: Console, empty_database: EmptyDatabase, opened: Callable[[str], Store]
) -> None:
    url = empty_database("mariadb", "live")
    gate = console.home / "gate"
    console.add("long", f"while [ ! -e {gate} ]; do sleep 0.05; done", "--schedule", "0 0 1 1 *")
    master = console.start_master()
    console.sure("task", "run", "long")
    wait_until(lambda: b'"running"' in console.sure("run", "list", "--json"), "the run")
    refused = console.call("db", "move", "--to", url)
    master.send_signal(signal.SIGTERM)
    master.wait(30)

    said = console.sure("db", "move", "--to", url, "--switch")
    gate.touch()
    console.start_master()
    runs = "SELECT id, status FROM smart_cron_executions"
    wait_until(lambda: opened(url).session.rows(runs) == [(1, "success")], "the end of the run")

    assert b"a master works with this database on this node" in refused.stderr
    assert b"1 run of this node will be recorded in the new database" in said
    assert b"restored" not in console.log()
    # The chain of the audit log goes on over the move.
    console.sure("audit", "verify")


def test_nothing_works_with_the_old_database_until_it_is_taken_back(console: Console, tmp_path: Path) -> None:
    console.sure("db", "move", "--to", f"sqlite://{tmp_path}/new.db")

    refused = console.call("master", "--once")
    recovered = console.sure("recover", "--yes")
    still = console.call("master", "--once")
    console.sure("db", "move", "--undo")

    assert refused.returncode == still.returncode == 1
    assert b"it was moved to sqlite:" in refused.stderr
    assert b"db move --undo" in recovered
    assert console.call("master", "--once").returncode == 0


def test_no_password_is_shown_and_one_on_the_command_line_is_warned_of(console: Console, tmp_path: Path) -> None:
    url = "mysql://root:canary-1@localhost/nowhere?unix_socket=/nonexistent"
    (tmp_path / "url").write_text(f"{url}\n")

    bare = console.call("db", "move", "--to", url)
    filed = console.call("db", "move", "--to-file", str(tmp_path / "url"), "--dry-run")

    assert b"list of processes" in bare.stderr
    assert b"list of processes" not in filed.stderr
    assert bare.returncode == filed.returncode == 1
    for said in (bare, filed):
        assert b"canary-1" not in said.stdout + said.stderr


def test_the_url_is_read_from_the_environment(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**console.environment, "SMART_CRON_MOVE_TO": f"sqlite://{tmp_path}/new.db"}

    done = subprocess.run(
        console.argv("db", "move", "--dry-run", "--json"), env=environment, capture_output=True, check=True, timeout=60
    )

    assert json.loads(done.stdout)["to"] == f"sqlite://{tmp_path}/new.db"
    assert not (tmp_path / "new.db").exists()


def test_without_a_place_to_go_it_is_called_wrongly(console: Console) -> None:
    assert console.call("db", "move").returncode == 2
