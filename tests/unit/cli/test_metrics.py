"""`smart-cron metrics`."""

from __future__ import annotations

import stat
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.cli.conftest import Call

from smart_cron.core.task import TaskDefinition
from smart_cron.wiring import House


def add(house: House, *names: str) -> None:
    for name in names:
        house.store.tasks.add(TaskDefinition(name=name, script="/bin/true", schedule="@daily"), actor="test")


def test_metrics_prints_what_prometheus_reads(call: Call, house: House) -> None:
    add(house, "report")

    result = call("metrics")

    families = {family.name: family for family in text_string_to_metric_families(result.out)}
    assert result.code == 0
    assert {sample.labels["task"] for sample in families["smart_cron_runs"].samples} == {"report"}


def test_metrics_as_json_are_figures_by_name(call: Call, house: House) -> None:
    add(house, "report")

    document = call("metrics", "--json").document

    assert [task["name"] for task in document["named_tasks"]] == ["report"]
    assert document["tasks"] == {"enabled": 1}


def test_metrics_are_written_whole_for_everyone_to_read(call: Call, house: House, tmp_path: Path) -> None:
    add(house, "report")
    file = tmp_path / "smart-cron.prom"
    file.write_text("old")

    assert call("metrics", "--write", str(file)).code == 0

    assert 'task="report"' in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["smart-cron.prom"]


def test_a_file_that_cannot_be_written_is_said_with_the_remedy(call: Call, house: House, tmp_path: Path) -> None:
    del house

    result = call("metrics", "--write", str(tmp_path / "none" / "x.prom"))

    assert result.code == 1
    assert "cannot be written" in result.err
    assert "Make its folder" in result.err


def test_json_into_a_file_is_a_wrong_call(call: Call, house: House, tmp_path: Path) -> None:
    del house

    assert call("metrics", "--json", "--write", str(tmp_path / "x.prom")).code == 2
