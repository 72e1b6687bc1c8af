"""Charts as data for the script, and as a table for who cannot see them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from smart_cron.faces.web.charts import Chart, Colour, Series

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHART = Chart(
    key="day",
    title="Runs",
    sentence="Two hours, one failure.",
    times=(NOON, NOON + timedelta(hours=1)),
    series=(
        Series(name="Successes", values=(3, 4), colour=Colour.GOOD),
        Series(name="Mean", values=(None, 1.5), kind="line", axis="right", unit="s"),
    ),
)


def test_the_data_are_json_that_names_colours_and_gives_instants_in_utc() -> None:
    document = json.loads(json.dumps(CHART.document))

    assert document["times"] == ["2026-03-01T12:00:00+00:00", "2026-03-01T13:00:00+00:00"]
    assert document["series"][0]["colour"] == "good"
    assert document["series"][1]["values"] == [None, 1.5]


def test_the_table_has_a_row_for_each_instant_and_a_column_for_each_series() -> None:
    assert list(CHART.heads) == ["Successes", "Mean (s)"]
    assert list(CHART.rows) == [(NOON, [3, None]), (NOON + timedelta(hours=1), [4, 1.5])]


def test_without_instants_labels_stand_before_the_values() -> None:
    chart = Chart(key="k", title="t", sentence="s", labels=("a", "b"), series=(Series(name="n", values=(1, 2)),))

    assert list(chart.rows) == [("a", [1]), ("b", [2])]
    assert chart.document["times"] is None
