"""The port `NodeStore`, on every database: who takes part, who is silent, and what becomes of their runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.conformance.scene import FAILED, NOON, Scene

from smart_cron.core.errors import NodeNameTakenError, RestoredDatabaseError, UnknownNodeError
from smart_cron.core.node import NodeIdentity, NodeRecord, NodeState
from smart_cron.core.run import EndCause, ErrorType, Status

SILENCE = timedelta(seconds=30)
ONE = NodeIdentity(
    name="one", identity="a1", boot_id="b1", host="here", version="1", master_pid=7, max_concurrent=10, tags=("gpu",)
)
LOST: dict[str, Any] = {
    "status": Status.LOST,
    "success": False,
    "exit_code": None,
    "error_type": ErrorType.LOST,
    "slot_failed": True,
    "end": {"cause": EndCause.LOST, "exit_code": None},
}


def enter(scene: Scene, node: NodeIdentity = ONE, beaten: int = 0) -> int:
    return scene.store.nodes.register(node, beaten=beaten, silence=SILENCE)


def beat(scene: Scene, node: NodeIdentity = ONE, *, beaten: int) -> int:
    return scene.store.nodes.beat(node, beaten=beaten, silence=SILENCE)


def known(scene: Scene, name: str = "one") -> NodeRecord:
    return next(record for record in scene.store.nodes.nodes() if record.name == name)


def state(scene: Scene, name: str = "one") -> NodeState:
    return known(scene, name).state(now=scene.store.database.now(), silence=SILENCE)


def silence(scene: Scene, name: str = "one") -> None:
    then = scene.store.session.dialect.instant(scene.store.database.now() - timedelta(hours=3))
    scene.sql("UPDATE smart_cron_nodes SET heartbeat_at = %s, started_at = %s WHERE node_name = %s", [then, then, name])


def test_a_node_introduces_itself_and_is_alive(scene: Scene) -> None:
    assert enter(scene) == 1

    found = known(scene)
    assert (found.identity, found.host, found.tags, found.max_concurrent) == ("a1", "here", ("gpu",), 10)
    assert (found.master_pid, found.held, state(scene)) == (7, 0, NodeState.ALIVE)


def test_heartbeats_are_counted_even_within_one_instant(scene: Scene) -> None:
    enter(scene)

    assert [beat(scene, beaten=number) for number in (1, 2, 3)] == [2, 3, 4]
    assert known(scene).heartbeats == 4


def test_a_node_that_comes_back_goes_on_counting(scene: Scene) -> None:
    enter(scene)
    scene.store.nodes.retire(ONE)
    assert state(scene) is NodeState.STOPPED

    assert enter(scene, beaten=1) == 2
    assert state(scene) is NodeState.ALIVE


def test_one_that_says_nothing_for_long_is_silent(scene: Scene) -> None:
    enter(scene)

    silence(scene)

    assert state(scene) is NodeState.SILENT


def test_a_second_state_directory_of_the_same_name_is_refused_and_both_identities_are_shown(scene: Scene) -> None:
    enter(scene)

    with pytest.raises(NodeNameTakenError, match=r"'one'.*a1.*here.*zz"):
        enter(scene, replace(ONE, identity="zz"))


def test_the_name_of_a_silent_node_is_free_once_it_holds_nothing(scene: Scene) -> None:
    enter(scene)
    scene.requested()
    claims = scene.claim()
    silence(scene)
    with pytest.raises(NodeNameTakenError):
        enter(scene, replace(ONE, identity="zz"))

    scene.settle(claims)

    assert enter(scene, replace(ONE, identity="zz")) > 1
    assert known(scene).identity == "zz"


def test_a_node_whose_name_was_taken_meanwhile_is_told_at_its_next_beat(scene: Scene) -> None:
    enter(scene)
    silence(scene)
    enter(scene, replace(ONE, identity="zz"))

    with pytest.raises(NodeNameTakenError):
        beat(scene, beaten=1)


def test_a_database_that_knows_fewer_heartbeats_was_restored(scene: Scene) -> None:
    enter(scene)

    with pytest.raises(RestoredDatabaseError, match="knows of 1 heartbeats of node 'one', which made 5"):
        beat(scene, beaten=5)
    with pytest.raises(RestoredDatabaseError):
        enter(scene, beaten=5)


def test_an_empty_database_is_a_new_one_and_not_a_restored_one(scene: Scene) -> None:
    assert enter(scene, beaten=5) == 6


def test_another_database_with_a_history_but_without_this_node_counts_as_restored(scene: Scene) -> None:
    scene.ran()

    with pytest.raises(RestoredDatabaseError):
        enter(scene, beaten=5)


def test_runs_of_a_silent_node_are_unreachable_until_it_is_back(scene: Scene) -> None:
    scene.requested()
    (claim,) = scene.claim()

    assert scene.store.nodes.mark_unreachable(["one"]) == 1
    assert scene.statuses() == ["unreachable"]
    assert scene.store.nodes.mark_unreachable(["one"]) == 0
    scene.store.nodes.mark_reachable("one")
    assert scene.statuses() == ["claimed"]
    with scene.store.database.transaction():
        scene.store.records.mark_running([(claim.execution_id, claim.run_id, NOON)])
    scene.store.nodes.mark_unreachable(["one"])
    scene.store.nodes.mark_reachable("one")
    assert scene.statuses() == ["running"]


def test_an_unreachable_run_still_blocks_its_task(scene: Scene) -> None:
    scene.requested()
    scene.claim()
    scene.store.nodes.mark_unreachable(["one"])

    scene.store.records.heal_projections()

    assert scene.task().is_running


def test_the_late_word_of_its_own_node_replaces_a_loss_and_corrects_the_totals(scene: Scene) -> None:
    scene.requested()
    claims = scene.claim()
    key = [(claims[0].execution_id, claims[0].run_id)]
    scene.settle(claims, **LOST)
    scene.store.nodes.note_settled_by([claims[0].execution_id], "two")
    assert scene.task().consecutive_failures == 1

    with scene.store.database.transaction():
        assert scene.store.nodes.reopen_lost(key) == {claims[0].run_id}
        scene.settle(claims)

    row = scene.execution(claims[0].execution_id)
    assert (row["status"], row["late"], row["settled_by"]) == ("success", 1, None)
    task = scene.task()
    assert (task.total_executions, task.total_successes, task.total_failures) == (1, 1, 0)
    assert (task.consecutive_failures, task.is_running) == (0, False)


def test_what_its_own_node_settled_is_never_opened_again(scene: Scene) -> None:
    scene.requested()
    claims = scene.claim()
    scene.settle(claims, **LOST)
    scene.requested()
    others = scene.claim()
    scene.settle(others, **FAILED)

    keys = [(claim.execution_id, claim.run_id) for claim in (*claims, *others)]

    assert scene.store.nodes.reopen_lost(keys) == set()


def test_a_forgotten_node_is_listed_as_such_and_may_come_back(scene: Scene) -> None:
    enter(scene)

    scene.store.nodes.forget("one", actor="test")

    assert state(scene) is NodeState.FORGOTTEN
    assert scene.store.session.row("SELECT action, entity_name FROM smart_cron_audit_log") == ("forget", "one")
    assert beat(scene, beaten=1) == 2
    assert state(scene) is NodeState.ALIVE


def test_a_node_that_never_was_cannot_be_forgotten(scene: Scene) -> None:
    with pytest.raises(UnknownNodeError):
        scene.store.nodes.forget("nobody", actor="test")
