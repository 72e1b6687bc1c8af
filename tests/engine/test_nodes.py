"""Several nodes on one database, each with a real master and task runner: shared work, silence, late words."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.engine.conftest import Home, MakeHome, is_alive, wait_until
from tests.servers import MariaDb, PostgreSql

pytestmark = pytest.mark.slow

MakeNode = Callable[..., Home]
OTHER_VERSION = (
    sys.executable,
    "-c",
    "import smart_cron; smart_cron.__version__ = '99.0.0'; from smart_cron.faces.cli.main import main; main()",
)


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """Return what makes a fresh database and gives its URL."""
    if request.param == "sqlite":
        yield lambda folder: f"sqlite://{folder / 'shared.db'}"
        return
    kind = {"mariadb": MariaDb, "postgresql": PostgreSql}[request.param]
    with kind() as server:

        def fresh(_: Path) -> str:
            server.drop_database("smart_cron")
            return str(server.create_database("smart_cron"))

        yield fresh


@pytest.fixture
def make_node(database: Callable[[Path], str], make_home: MakeHome, tmp_path: Path) -> Iterator[MakeNode]:
    url = database(tmp_path)
    nodes: list[Home] = []

    def make(name: str, **settings: str) -> Home:
        quick = {"SMART_CRON_HEARTBEAT_SECONDS": "1", "SMART_CRON_NODE_SILENCE_SECONDS": "3"}
        nodes.append(make_home(url, SMART_CRON_NODE_NAME=name, **quick, **settings))
        return nodes[-1]

    yield make
    for node in nodes:
        node.stop()


def statuses(home: Home) -> list[str]:
    return sorted(run["status"] for run in home.runs())


def states(home: Home) -> dict[str, str]:
    now = home.house.store.database.now()
    return {
        record.name: str(record.state(now=now, silence=timedelta(seconds=3)))
        for record in home.house.store.nodes.nodes()
    }


def heartbeats(home: Home) -> dict[str, int]:
    return {record.name: record.heartbeats for record in home.house.store.nodes.nodes()}


def row(run: dict[str, Any]) -> tuple[Any, ...]:
    return run["status"], run["node"], run["late"]


def test_two_masters_of_two_versions_share_the_work_and_start_nothing_twice(
    make_node: MakeNode, tmp_path: Path
) -> None:
    """As during an upgrade of several nodes, one after the other."""
    one, two = (make_node(name, SMART_CRON_MAX_CONCURRENT="3") for name in ("one", "two"))
    two.program = OTHER_VERSION
    record = tmp_path / "record"
    names = [f"t{number}" for number in range(40)]
    for name in names:
        one.add(name, f"echo {name} >> {record}; sleep 0.05")
    one.start_master()
    two.start_master()
    one.due(*names)

    runs = one.await_runs(40)

    assert Counter(record.read_text().split()) == Counter(names)
    assert {run["status"] for run in runs} == {"success"}
    assert {run["node"] for run in runs} == {"one", "two"}
    assert len({record.version for record in one.house.store.nodes.nodes()}) == 2


def test_what_a_dead_node_had_not_claimed_starts_elsewhere(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")
    first, second = one.start_master(), two.start_master()
    one.add("orphan", "echo ran")
    first.kill()
    first.wait()

    one.due("orphan")

    [run] = one.await_runs(1)
    assert row(run) == ("success", "two", 0)
    assert second.poll() is None


def test_a_frozen_node_is_silent_and_goes_on_when_it_is_woken(make_node: MakeNode, tmp_path: Path) -> None:
    one, two = make_node("one"), make_node("two")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    task = one.add("long", f"cat {gate}")
    frozen = one.start_master()
    one.due("long")
    one.await_runs(1, status="running")
    two.start_master()
    os.kill(frozen.pid, signal.SIGSTOP)
    wait_until(lambda: statuses(one) == ["unreachable"], "the run of the silent node to be unreachable")
    assert states(one) == {"one": "silent", "two": "alive"}
    assert one.house.store.tasks.get("long").is_running

    os.kill(frozen.pid, signal.SIGCONT)

    wait_until(lambda: statuses(one) == ["running"], "the run to be reachable again")
    gate.write_text("go")
    [run] = one.await_runs(1, task=task)
    assert row(run) == ("success", "one", 0)


@pytest.mark.parametrize("is_back", [False, True], ids=["while it slept", "after it was back"])
def test_a_node_that_was_struck_out_corrects_the_loss_by_its_late_word(
    make_node: MakeNode, tmp_path: Path, *, is_back: bool
) -> None:
    one, two = make_node("one"), make_node("two")
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one.add("long", f"cat {gate}; exit 3", success_exit_codes=(3,))
    frozen = one.start_master()
    one.due("long")
    one.await_runs(1, status="running")
    os.kill(frozen.pid, signal.SIGSTOP)
    wait_until(lambda: states(one)["one"] == "silent", "the node to be silent")
    forget = two.smart_cron("node", "forget", "one", "--yes")
    assert forget.wait(30) == 0, two.errors()
    assert statuses(one) == ["lost"]
    assert one.house.store.tasks.get("long").total_failures == 1

    if is_back:
        os.kill(frozen.pid, signal.SIGCONT)
        wait_until(lambda: states(one)["one"] == "alive", "the node to be back")
    gate.write_text("go")
    os.kill(frozen.pid, signal.SIGCONT)

    wait_until(lambda: statuses(one) == ["success"], "the late word")
    [run] = one.runs()
    assert (row(run), run["exit_code"]) == (("success", "one", 1), 3)
    task = one.house.store.tasks.get("long")
    assert (task.total_executions, task.total_successes, task.total_failures) == (1, 1, 0)
    assert not task.is_running


def test_a_task_that_is_bound_to_a_tag_waits_for_a_node_that_has_it(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two", SMART_CRON_NODE_TAGS="gpu,big")
    one.add("bound", "echo ran", node_tag="gpu")
    one.add("free", "echo ran")
    one.start_master()
    one.due("bound", "free")
    one.await_runs(1)
    assert statuses(one) == ["success", "waiting"]

    two.start_master()

    runs = one.await_runs(2)
    assert {run["task_name"]: run["node"] for run in runs} == {"free": "one", "bound": "two"}


def test_the_bound_over_all_nodes_is_kept(make_node: MakeNode, tmp_path: Path) -> None:
    one, two = (make_node(name, SMART_CRON_MAX_CONCURRENT_TOTAL="2") for name in ("one", "two"))
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    names = [f"t{number}" for number in range(5)]
    for name in names:
        one.add(name, f"read x < {gate}")
    one.start_master()
    two.start_master()
    one.due(*names)

    one.await_runs(2, status="running")
    beats = heartbeats(one)
    wait_until(lambda: all(heartbeats(one)[name] > beats[name] + 1 for name in beats), "both masters to look again")

    assert Counter(statuses(one)) == {"running": 2, "waiting": 3}
    signpost = os.open(gate, os.O_RDWR | os.O_NONBLOCK)
    os.write(signpost, b"go\n" * 5)
    one.await_runs(5)
    os.close(signpost)


def test_a_second_node_of_the_same_name_is_refused_with_both_identities(make_node: MakeNode) -> None:
    one, twin = make_node("one"), make_node("one")
    living = one.start_master()

    refused = twin.smart_cron("master")

    assert refused.wait(30) == 1
    said = twin.errors()
    identities = [(home.path / "state" / "incarnation").read_text().strip() for home in (one, twin)]
    assert all(identity in said for identity in identities)
    assert is_alive(living.pid)


def test_a_node_that_ends_in_order_is_stopped_and_not_silent(make_node: MakeNode) -> None:
    one = make_node("one")
    master = one.start_master()
    assert states(one) == {"one": "alive"}

    master.terminate()
    master.wait(30)

    assert states(one) == {"one": "stopped"}
