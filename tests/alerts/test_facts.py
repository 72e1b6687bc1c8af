"""What a message says of the run: its last words, and what changed since it last worked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.scene import FAILED, NOON, SECOND, Scene

from smart_cron.services.alerts import facts as facts_module
from smart_cron.services.alerts.facts import LINES, FactFinder, last_lines
from smart_cron.store.gateway import open_store


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    store = open_store(f"sqlite://{tmp_path / 'smart-cron.db'}", alias="facts")
    store.database.migrate()
    yield Scene(store)
    store.database.close()


def finder(scene: Scene, *, node: str = "one", written: Callable[[str], float] = os.path.getmtime) -> FactFinder:
    store = scene.store
    return FactFinder(history=store.history, ledger=store.ledger, tasks=store.tasks, node=node, written=written)


def script(folder: Path) -> str:
    path = folder / "report.sh"
    path.write_text("#!/bin/sh\n")
    return str(path)


def test_the_facts_of_a_run_that_failed(scene: Scene) -> None:
    scene.add(description="For the accountant")
    number = scene.ran(stdout_copy="one\n\ntwo\n", stderr_copy="oh\nno\n", **FAILED)

    facts = finder(scene).facts(number)

    assert facts is not None
    assert (facts.task_name, facts.exit_code, facts.description) == ("report", 3, "For the accountant")
    assert facts.last_lines == ("one", "two", "oh", "no")


def test_a_long_complaint_leaves_no_room_for_the_rest(scene: Scene) -> None:
    complaint = "\n".join(f"error {number}" for number in range(100))
    number = scene.ran(stdout_copy="all is well", stderr_copy=complaint, **FAILED)

    facts = finder(scene).facts(number)

    assert facts is not None
    assert facts.last_lines == tuple(f"error {number}" for number in range(100 - LINES, 100))


def test_the_newest_lines_are_shown_of_both_streams_and_a_progress_bar_is_one() -> None:
    printed = "\n".join(f"line {number}" for number in range(1, 61))

    found = last_lines({"stdout_output": f"{printed}\r\n10 %\r50 %\r100 %\n", "stderr_output": "it broke\n"})

    assert len(found) == LINES
    assert found[-4:] == ("line 59", "line 60\r", "10 %\r50 %\r100 %", "it broke")


def test_what_changed_since_it_worked_is_told_with_who_did_it(scene: Scene, tmp_path: Path) -> None:
    task = scene.add(script=script(tmp_path))
    scene.ran()
    scene.store.tasks.replace(task.id, replace(task.definition, priority=2), actor="anna")
    number = scene.ran(**FAILED)

    facts = finder(scene).facts(number)

    assert facts is not None
    assert facts.last_success_at == NOON + 2 * SECOND
    # Made before it worked, but the scene's noon lies in the past: the task's own creation is a change, too.
    assert any("anna changed priority from 5 to 2" in change for change in facts.changes)
    assert f"the file {tmp_path}/report.sh was written" in facts.changes[-1]


def test_the_script_of_another_node_is_not_looked_at(scene: Scene, tmp_path: Path) -> None:
    scene.add(script=script(tmp_path))
    scene.ran()
    number = scene.ran(**FAILED)

    facts = finder(scene, node="two").facts(number)

    assert facts is not None
    assert not any("was written" in change for change in facts.changes)


def test_a_script_on_a_mount_that_hangs_is_asked_about_once_and_left_out(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "PATIENCE_SECONDS", 0.01)
    asked, mounted = [], threading.Event()

    def hang(path: str) -> float:
        asked.append(path)
        mounted.wait(60)
        return 0.0

    scene.add(script=script(tmp_path))
    scene.ran()
    number = scene.ran(**FAILED)
    known = finder(scene, written=hang)

    found = [known.facts(number) for _ in range(3)]
    mounted.set()

    assert len(asked) == 1
    assert all(facts is not None and "was written" not in str(facts.changes) for facts in found)


def test_what_may_hold_a_secret_is_only_named(scene: Scene) -> None:
    task = scene.add()
    scene.ran()
    webhook = "https://hooks.slack.com/services/secret"
    scene.store.tasks.replace(task.id, replace(task.definition, alert_slack_webhook=webhook), actor="anna")
    number = scene.ran(**FAILED)

    facts = finder(scene).facts(number)

    assert facts is not None
    assert any("alert_slack_webhook" in change for change in facts.changes)
    assert "secret" not in str(facts.changes)


def test_a_task_that_never_worked_and_was_deleted_still_has_facts(scene: Scene) -> None:
    task = scene.add()
    number = scene.ran(**FAILED)
    scene.store.tasks.remove(task.id, actor="anna", now=NOON)

    facts = finder(scene).facts(number)

    assert facts is not None
    assert (facts.description, facts.last_success_at, facts.changes) == ("", None, ())


def test_a_run_that_is_gone_has_none(scene: Scene) -> None:
    assert finder(scene).facts(4711) is None
    assert finder(scene).last_words(4711, limit=100) == ""


def test_the_last_words_for_a_ping_are_bounded(scene: Scene) -> None:
    number = scene.ran(stdout_copy="x" * 5000)

    assert finder(scene).last_words(number, limit=100) == "x" * 100
