"""SIGKILL of the dashboard while a job elsewhere reports to it: tasks run on, and no ping counts twice."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.process.cli import wait_until
from tests.web.conftest import House, housed, served

from .conftest import CRASH_POINTS

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with housed(tmp_path / "home") as made:
        yield made


@pytest.mark.parametrize(
    ("spec", "pings"),
    [
        ("dashboard:Pings._noted:precommit", 0),
        ("dashboard:Pings._noted:commit", 1),
    ],
)
def test_a_dashboard_that_dies_at_a_ping_leaves_tasks_alone_and_the_ping_whole_or_undone(
    house: House, tmp_path: Path, spec: str, pings: int
) -> None:
    marker, gate, mark = tmp_path / "died", tmp_path / "gate", tmp_path / "mark"
    os.mkfifo(gate)
    house.add("long", f"echo $$ > {mark}; read word < {gate}; exit 3")
    house.start_master()
    house.sure("task", "run", "long")
    wait_until(lambda: mark.exists() and mark.read_text().strip(), "the task")
    plain = house.argv
    house.argv = lambda *words: [sys.executable, str(CRASH_POINTS), spec, str(marker), *words]  # type: ignore[method-assign]
    dying = served(house)
    house.argv = plain  # type: ignore[method-assign]
    path = dying.add_check("elsewhere")
    marker.with_name("died.armed").touch()

    with pytest.raises((http.client.HTTPException, ConnectionError)):
        dying.ask(path)

    assert dying.process.wait(60) == -9
    assert dying.check("elsewhere")["pings"] == pings
    assert served(house).ask(path).status == 200
    assert dying.check("elsewhere")["pings"] == pings + 1
    with gate.open("w") as open_gate:
        open_gate.write("go\n")
    wait_until(lambda: b"Task completed with status failed: long" in house.log(), "the end of the task")
