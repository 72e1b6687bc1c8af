"""Charts as values: what `static/charts.js` draws, the sentence that says it, and the same as a table.

A page includes `_chart.html` with `chart`, loads `vendor/chart.js` and `charts.js`, and where the chart is live names
the `region` whose part is `_chart_data.html`: the canvas stays, the data beside it is sent anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Colour(StrEnum):
    """Names of the style sheet's `--chart-…`, which differ by theme."""

    GOOD = "good"
    BAD = "bad"
    MAIN = "main"
    SECOND = "second"
    THIRD = "third"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One row of values, None where nothing was measured. `axis` is left or right, `kind` bar or line."""

    name: str
    values: Sequence[float | None]
    colour: Colour = Colour.MAIN
    kind: str = "bar"
    axis: str = "left"
    unit: str = ""
    # Of a doughnut, whose values have a colour each.
    colours: Sequence[Colour] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn along `times` (aware) or `labels`. `key` is unique on its page; `sentence` says what is seen."""

    key: str
    title: str
    sentence: str
    series: Sequence[Series]
    times: Sequence[datetime] = ()
    labels: Sequence[str] = ()
    kind: str = "bar"
    grain: str = "hour"
    stacked: bool = False
    legend: bool = True

    @property
    def data_id(self) -> str:
        """Return the id of the element that holds the data."""
        return f"{self.key}-data"

    @property
    def document(self) -> Mapping[str, object]:
        """Return what the script reads."""
        return {
            "kind": self.kind,
            "grain": self.grain,
            "stacked": self.stacked,
            "legend": self.legend,
            "times": [at.isoformat() for at in self.times] or None,
            "labels": list(self.labels),
            "series": [_series(each) for each in self.series],
        }

    @property
    def rows(self) -> Iterator[tuple[datetime | str, list[float | None]]]:
        """Yield the table: an instant or a label, and the value of each series."""
        heads: Sequence[datetime | str] = self.times or self.labels
        for number, head in enumerate(heads):
            yield head, [each.values[number] for each in self.series]

    @property
    def heads(self) -> Sequence[str]:
        """Return the table's columns after the first."""
        return [f"{each.name} ({each.unit})" if each.unit else each.name for each in self.series]


def _series(series: Series) -> Mapping[str, object]:
    return {
        "name": series.name,
        "values": list(series.values),
        "colour": str(series.colour),
        "colours": [str(each) for each in series.colours],
        "kind": series.kind,
        "axis": series.axis,
        "unit": series.unit,
    }
