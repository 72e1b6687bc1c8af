"""A real master sums up real runs, samples its machine and writes the file for node_exporter."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.engine.conftest import MakeHome, wait_until
from tests.metrics.collector import Collector

from smart_cron.core.run import Status


def series(text: str) -> dict[tuple[str, str], float]:
    """Return values by name and task, node or nothing."""
    return {
        (sample.name, sample.labels.get("task") or sample.labels.get("node") or ""): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.slow
def test_what_ran_and_what_it_used_is_summed_up_and_sampled(make_home: MakeHome, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "smart-cron.prom"
    home = make_home(SMART_CRON_METRICS__TEXTFILE=str(file), SMART_CRON_NODE_NAME="here")
    task = home.add("report", "printf 12345; printf 67 >&2")
    home.start_master()
    wait_until(file.exists, "the file for node_exporter")
    home.due("report")
    (run,) = home.await_runs(1, task=task)

    (row,) = home.sql(
        """SELECT runs, successes, timed_runs, duration_p50, output_bytes, lateness_runs, node FROM smart_cron_metrics
         WHERE task_id = ?""",
        task.id,
    )
    assert run["status"] == Status.SUCCESS
    assert row == (1, 1, 1, run["execution_time"], 7, 1, "here")
    assert home.sql("SELECT node, unrecorded FROM smart_cron_node_samples ORDER BY id")[0] == ("here", 0)
    written = series(file.read_text())
    assert written["smart_cron_node_results_unrecorded", "here"] == 0
    assert ("smart_cron_run_duration_seconds_count", "report") in written


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_logged_and_stops_no_run(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home(SMART_CRON_METRICS__TEXTFILE=str(tmp_path / "none" / "x.prom"))
    task = home.add("report", "true")
    home.start_master()
    home.due("report")

    home.await_runs(1, task=task, status=Status.SUCCESS)
    wait_until(lambda: "metrics file" in home.log_text(), "the failed chore in the log")


@pytest.mark.slow
def test_a_run_becomes_a_trace_of_its_own(make_home: MakeHome) -> None:
    with Collector() as collector:
        home = make_home(SMART_CRON_METRICS__OTLP_ENDPOINT=collector.url)
        home.add("report", "true")
        home.due("report")
        home.once()

        (spans,) = collector.traces().values()
        assert {span.name for span in spans} == {"task report", "wait", "claim", "run", "record"}
