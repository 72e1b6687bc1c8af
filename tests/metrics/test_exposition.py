"""What a scrape gets, read back by the official parser; and that what we hand out for it names what is exported."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from smart_cron.core.exported import Figures, TaskFigures
from smart_cron.core.sample import NodeSample
from smart_cron.services.metrics.exposition import FAMILIES, exposition, rendered

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
DASHBOARD, RULES = ROOT / "contrib/grafana/smart-cron.json", ROOT / "contrib/prometheus/smart-cron.rules.yml"
TASK = TaskFigures(
    name="report",
    successes=7,
    failures=2,
    timed_runs=8,
    timed_seconds=12.5,
    consecutive_failures=1,
    running=1,
    last_run_at=NOON,
    next_run_at=NOON.replace(hour=13),
)
SAMPLE = NodeSample(
    node="web-1",
    sampled_at=NOON,
    cpu_percent=12.5,
    memory_percent=50.0,
    memory_used_mb=2,
    swap_percent=0.0,
    load_1m=0.25,
    disk_percent=91.0,
    inode_percent=3.0,
    disk_free_mb=5,
    running=4,
    waiting=2,
    unrecorded=1,
)
FULL = Figures(
    taken_at=NOON,
    named_tasks=(TASK,),
    tasks={"enabled": 3, "invalid": 1},
    open_alerts={"critical": 2},
    waiting={"waiting": 5, "delayed": 1, "queued": 0, "blocked": 2},
    running=4,
    deliveries_pending=6,
    deliveries_failed=1,
    lateness_runs=4,
    lateness_sum=2.0,
    lateness_max=1.5,
    samples=(SAMPLE,),
)
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(figures: Figures) -> Series:
    """Return every series by name and labels, as the official parser reads them; no series may come twice."""
    found: Series = {}
    for family in text_string_to_metric_families(rendered(figures, version="9.9")):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_figures_of_a_task_are_told_under_its_name() -> None:
    found = scraped(FULL)
    task = ("task", "report")

    assert found["smart_cron_runs_total", (("result", "success"), task)] == 7
    assert found["smart_cron_runs_total", (("result", "failure"), task)] == 2
    assert found["smart_cron_run_duration_seconds_sum", (task,)] == 12.5
    assert found["smart_cron_run_duration_seconds_count", (task,)] == 8
    assert found["smart_cron_task_last_run_timestamp_seconds", (task,)] == NOON.timestamp()
    assert found["smart_cron_task_next_run_timestamp_seconds", (task,)] == NOON.timestamp() + 3600
    assert found["smart_cron_task_consecutive_failures", (task,)] == 1
    assert found["smart_cron_task_running", (task,)] == 1


def test_figures_of_all_are_told_and_what_is_not_there_is_zero() -> None:
    found = scraped(FULL)

    assert found["smart_cron_build_info", (("version", "9.9"),)] == 1
    assert found["smart_cron_tasks", (("state", "enabled"),)] == 3
    assert found["smart_cron_tasks", (("state", "disabled"),)] == 0
    assert found["smart_cron_alerts_open", (("severity", "critical"),)] == 2
    assert found["smart_cron_alerts_open", (("severity", "info"),)] == 0
    assert found["smart_cron_queue_waiting", ()] == 5
    assert found["smart_cron_queue_held_back", (("reason", "blocked"),)] == 2
    assert found["smart_cron_start_lateness_average_seconds", ()] == 0.5
    assert found["smart_cron_deliveries_pending", ()] == 6


def test_figures_of_nodes_are_in_base_units() -> None:
    found = scraped(FULL)
    node = (("node", "web-1"),)

    assert found["smart_cron_node_cpu_usage_ratio", node] == 0.125
    assert found["smart_cron_node_disk_usage_ratio", node] == 0.91
    assert found["smart_cron_node_disk_free_bytes", node] == 5 * 1024 * 1024
    assert found["smart_cron_node_memory_used_bytes", node] == 2 * 1024 * 1024
    assert found["smart_cron_node_sample_timestamp_seconds", node] == NOON.timestamp()


def test_what_is_not_known_is_left_out_and_not_told_as_zero() -> None:
    bare = Figures(
        taken_at=NOON, named_tasks=(TaskFigures(name="new"),), samples=(NodeSample(node="n", sampled_at=NOON),)
    )
    names = {name for name, _ in scraped(bare)}

    assert "smart_cron_task_last_run_timestamp_seconds" not in names
    assert "smart_cron_node_cpu_usage_ratio" not in names
    assert "smart_cron_start_lateness_max_seconds" not in names
    assert "smart_cron_runs_total" in names


@given(st.text(max_size=20))
def test_no_name_breaks_the_format(name: str) -> None:
    clean = name.encode("utf-8", "replace").decode().replace("\r", " ")
    # What a parser takes for the end of a line ends no label of ours.
    figures = replace(FULL, named_tasks=(replace(TASK, name=clean),))
    text = rendered(figures, version="1")

    lines = [line for line in text.split("\n") if line.startswith("smart_cron_task_running")]
    assert len(lines) == 1
    assert lines[0].endswith(" 1.0")


@pytest.mark.parametrize("name", ['quo"te', "back\\slash", "new\nline", "a{b}", "ümlaut 🎈", "a,b=c"])
def test_odd_names_are_read_back_as_they_were(name: str) -> None:
    found = scraped(replace(FULL, named_tasks=(replace(TASK, name=name),)))

    assert found["smart_cron_task_running", (("task", name),)] == 1


def test_each_family_says_what_it_is_and_of_which_kind() -> None:
    families = {family.name: family for family in text_string_to_metric_families(rendered(FULL, version="1"))}

    assert all(family.documentation for family in families.values())
    # The parser leaves `_total` off the name of a counter.
    assert families["smart_cron_runs"].type == "counter"
    assert families["smart_cron_run_duration_seconds"].type == "summary"
    assert {family.type for name, family in families.items() if "node" in name} == {"gauge"}


def test_names_are_as_is_the_custom() -> None:
    for family in FAMILIES:
        assert re.fullmatch(r"smart_cron_[a-z0-9]+(_[a-z0-9]+)*", family.name)
        assert family.name.endswith("_total") == (family.kind == "counter")
        assert not re.search(r"_(percent|mb|ms|minutes)$", family.name)


def test_the_store_is_asked_for_as_many_names_as_the_settings_allow() -> None:
    class Counting:
        asked = 0

        def figures(self, *, named: int) -> Figures:
            self.asked = named
            return FULL

    store = Counting()

    assert exposition(store, task_label_limit=17, version="1").startswith("# HELP smart_cron_build_info")
    assert store.asked == 17


# what we hand out ------------------------------------------------------------------------------------------


def exported_names() -> set[str]:
    return {name for name, _ in scraped(FULL)}


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bsmart_cron_[a-z0-9_]+", text))


def expressions(document: Any) -> list[str]:
    """Return every `expr` in a document, at any depth."""
    if isinstance(document, dict):
        own = [document["expr"]] if isinstance(document.get("expr"), str) else []
        return own + [found for value in document.values() for found in expressions(value)]
    if isinstance(document, list):
        return [found for value in document for found in expressions(value)]
    return []


def test_the_dashboard_asks_only_for_what_is_exported() -> None:
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = expressions(document)

    assert len(asked) > 15
    assert all(names_in(expression) for expression in asked)
    assert names_in(DASHBOARD.read_text(encoding="utf-8")) <= exported_names()
    numbers = [panel["id"] for panel in document["panels"]]
    assert len(numbers) == len(set(numbers))


def test_the_alert_rules_ask_only_for_what_is_exported() -> None:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]

    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 8
    for rule in group["rules"]:
        assert names_in(rule["expr"])
        assert names_in(rule["expr"]) <= exported_names()
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_labels_in_rules_and_dashboard_are_labels_that_are_exported() -> None:
    labels = {name for _, pairs in scraped(FULL) for name, _ in pairs}
    text = RULES.read_text(encoding="utf-8") + DASHBOARD.read_text(encoding="utf-8")

    asked = {
        name for inner in re.findall(r"smart_cron_\w+\{([^}]*)\}", text) for name in re.findall(r"(\w+)\\?=", inner)
    }
    assert asked
    assert asked <= labels
    assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels


def test_the_documentation_lists_every_name_and_no_other() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(smart_cron_[a-z0-9_]+)", text, re.MULTILINE))

    assert listed == {"smart_cron_build_info", *(family.name for family in FAMILIES)}
