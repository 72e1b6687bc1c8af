"""Two connections at the same rows: two masters on two machines, as the database sees them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests import warm
from tests.conformance.scene import NOON, Scene

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.core.run import Claim
from smart_cron.core.task import OnOverlap
from smart_cron.store.gateway import Store

DEADLINE = 30.0


@pytest.fixture
def second() -> Iterator[Callable[..., object]]:
    """Run something on a thread of its own, which has a connection of its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        opened: list[Store] = []

        def call(store: Store, work: Callable[[], object]) -> object:
            opened.append(store)
            return pool.submit(work).result(DEADLINE)

        yield call
        for store in opened:
            pool.submit(store.database.close).result(DEADLINE)


def waiting(scene: Scene, count: int) -> None:
    for number in range(count):
        scene.requested(f"task{number}")


def claimed(scene: Scene, limit: int) -> list[Claim]:
    return scene.claim(limit, node="two")


def test_two_claimers_both_get_rows_and_never_the_same(server_scene: Scene, second: Callable[..., list[Claim]]) -> None:
    store = server_scene.store
    waiting(server_scene, 20)
    with store.database.transaction():
        mine = store.claims.lock_waiting(limit=5)
        theirs = second(store, lambda: claimed(server_scene, 5))

    assert len(mine) == 5
    assert len(theirs) == 5
    assert not {run.execution_id for run in mine} & {claim.execution_id for claim in theirs}


def test_two_planners_both_get_tasks_and_never_the_same(server_scene: Scene, second: Callable[..., object]) -> None:
    store = server_scene.store
    for number in range(10):
        server_scene.add(f"task{number}")
    server_scene.planned()
    with store.database.transaction():
        mine = store.plans.lock_due(now=NOON, limit=3)
        theirs = second(store, lambda: store.plans.lock_due(now=NOON, limit=3))

    assert isinstance(theirs, list)
    assert [task.name for task in [*mine, *theirs]] == [f"task{number}" for number in range(6)]


def test_a_planner_is_not_held_up_by_edited_tasks_that_another_looks_at(
    server_scene: Scene, second: Callable[..., object]
) -> None:
    store = server_scene.store
    for number in range(4):
        server_scene.add(f"task{number}")
    with store.database.transaction():
        mine = store.plans.lock_changed(limit=2)
        theirs = second(store, lambda: store.plans.lock_changed(limit=9))

    assert isinstance(theirs, list)
    assert [task.name for task in [*mine, *theirs]] == [f"task{number}" for number in range(4)]


def test_a_claim_waits_for_nobody_who_settles(server_scene: Scene, second: Callable[..., list[Claim]]) -> None:
    waiting(server_scene, 6)
    first = server_scene.claim(3)
    with server_scene.store.database.transaction():
        server_scene.open_runs(first)
        theirs = second(server_scene.store, lambda: claimed(server_scene, 3))

    assert len(theirs) == 3


def test_of_two_who_settle_one_run_one_wins(scene: Scene, second: Callable[..., object]) -> None:
    scene.requested()
    claims = scene.claim()
    scene.settle(claims)

    with pytest.raises(ValueError, match="not enough values"):
        second(scene.store, lambda: one(scene.settle(claims)))
    assert scene.task().total_executions == 1


def one(runs: Sequence[object]) -> object:
    (run,) = runs
    return run


@pytest.mark.slow
def test_a_deadlock_is_a_conflict_and_the_other_goes_on(server_scene: Scene) -> None:
    store = server_scene.store
    first, second = server_scene.add("a").id, server_scene.add("b").id
    lock = f"SELECT id FROM smart_cron_tasks_config WHERE id = %s{store.session.dialect.lock}"
    met = threading.Barrier(2, timeout=DEADLINE)
    outcomes: list[str] = []

    def cross(mine: int, theirs: int) -> None:
        try:
            with store.database.transaction():
                store.session.rows(lock, [mine])
                met.wait()
                store.session.rows(lock, [theirs])
            outcomes.append("done")
        except DatabaseConflictError:
            outcomes.append("conflict")
        finally:
            store.database.close()

    threads = [threading.Thread(target=cross, args=pair) for pair in ((first, second), (second, first))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)

    assert sorted(outcomes) == ["conflict", "done"]


def test_manual_runs_asked_for_at_once_never_overlap(scene: Scene) -> None:
    task = scene.add(on_overlap=OnOverlap.QUEUE)

    def ask(_: int) -> bool:
        try:
            scene.store.tasks.request_run(task.id, arguments=None, actor="x", now=NOON)
        except Exception as error:  # noqa: BLE001
            return "in line" not in str(error)
        else:
            return True
        finally:
            scene.store.database.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        asked = list(pool.map(ask, range(4)))

    assert asked.count(True) == 2
    assert sorted(scene.statuses()) == ["queued", "waiting"]


CLAIMER = """
import sys, uuid
from tests.conformance.scene import Scene
from smart_cron.store.gateway import open_store
scene = Scene(open_store(sys.argv[1]))
scene.run_id = lambda: str(uuid.uuid4())
while claims := scene.claim(7, node=sys.argv[2]):
    print(*[claim.execution_id for claim in claims])
"""


@pytest.mark.slow
def test_processes_that_claim_at_once_claim_everything_once(scene: Scene, database: str) -> None:
    settings = scene.store.session.connection.settings_dict
    url = f"sqlite://{settings['NAME']}"
    if database != "sqlite":
        option = "unix_socket" if database == "mariadb" else "host"
        user = settings["USER"]
        url = f"{database}://{user}@/{settings['NAME']}?{option}={settings['HOST']}"
    with scene.store.database.transaction():
        waiting(scene, 60)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    claimers = [
        warm.Fork(
            [sys.executable, "-c", CLAIMER, url, f"node{number}"], stdout=subprocess.PIPE, text=True, env=environment
        )
        for number in range(3)
    ]
    printed = [claimer.communicate(timeout=DEADLINE)[0].split() for claimer in claimers]

    numbers = [number for part in printed for number in part]
    assert [claimer.returncode for claimer in claimers] == [0, 0, 0]
    assert len(numbers) == len(set(numbers)) == 60
