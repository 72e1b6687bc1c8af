"""A node at which the health task never runs looks after itself; what hangs there is asked once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from smart_cron.config import load_config
from smart_cron.core.alert import AlertType
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.health import Examination, Probe, examine
from smart_cron.wiring import House, open_house, own_health, prepare
from smart_cron.wiring.own_health import OVERLOOKED, OwnHealth

SECONDS = 60.0
# Whatever the machine is like: on this one any disk counts as full.
FULL = {"SMART_CRON_HEALTH__DISK_WARNING_PERCENT": "0.001", "SMART_CRON_HEALTH__DISK_CRITICAL_PERCENT": "100"}
ELSEWHERE = Finding(check="memory", status=CheckStatus.OK, message="well.", node="other")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    environ = {"SMART_CRON_HOME": str(tmp_path / "h"), "SMART_CRON_NODE_NAME": "here", **FULL}
    config = load_config(environ)
    prepare(config)
    house = open_house(config)
    yield house
    house.close()


def checks_of(house: House, node: str) -> set[str]:
    latest = house.store.health.latest(within=timedelta(hours=1))
    return {finding.check for finding in latest.findings if finding.node == node}


def test_a_node_that_is_overlooked_tells_of_its_own_disk(house: House) -> None:
    house.store.health.note([ELSEWHERE])

    assert OwnHealth(house).look()

    assert {"disk_space", "memory", "filesystem", "clock"} <= checks_of(house, "here")
    assert "nodes" not in checks_of(house, "here")
    (alert,) = house.store.alerts.open_causes(AlertType.DISK_SPACE)
    assert alert.cause.node == "here"


def test_a_node_that_was_looked_at_is_left_alone(house: House) -> None:
    house.store.health.note([ELSEWHERE])
    own = OwnHealth(house)

    assert [own.look(), own.look()] == [True, False]


def test_where_the_health_task_is_off_nobody_looks(house: House) -> None:
    house.store.health.note([ELSEWHERE])
    old = house.store.database.now() - OVERLOOKED - timedelta(minutes=1)
    instant = house.store.session.dialect.instant(old)
    house.store.session.execute("UPDATE smart_cron_health_checks SET checked_at = %s", [instant])

    assert not OwnHealth(house).look()
    assert checks_of(house, "here") == set()


def test_while_something_hangs_it_is_not_asked_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = house.config.home / "certificate.pem"
    os.mkfifo(pipe)
    monkeypatch.setattr(own_health, "OVERLOOKED", timedelta())
    examinations: list[Examination] = []

    def look(_: object) -> Examination:
        probe = Probe(name="certificate", look=lambda: replace(ELSEWHERE, message=pipe.read_text()), node="here")
        examinations.append(examine([probe], seconds=0.01))
        return examinations[-1]

    monkeypatch.setattr(own_health, "look_after_node", look)
    monkeypatch.setattr(house.store.health, "checked_since", lambda _, node=None: node is None)
    own = OwnHealth(house)

    assert [own.look(), own.look()] == [True, False]

    pipe.write_text("over")
    assert examinations[0].attempts[0].wait(time.monotonic() + SECONDS)
    pipe.unlink()
    pipe.write_text("well")
    assert own.look()


def test_a_node_that_is_struck_out_takes_its_alerts_along(house: House) -> None:
    house.store.health.note([ELSEWHERE])
    OwnHealth(house).look()
    now = house.store.session.dialect.now_expression
    house.store.session.execute(
        f"""INSERT INTO smart_cron_nodes (node_name, identity, boot_id, host, version, max_concurrent, tags, heartbeats,
             started_at, stopped_at) VALUES ('here', 'i', 'b', 'h', '1', 1, '', 0, {now}, {now})"""
    )

    house.forget_node("here", actor="cli:root")

    assert house.store.alerts.open_causes() == []
    (alert,) = house.store.alerts.alerts(resolved=True)
    assert alert.resolved_by == "node forgotten"
