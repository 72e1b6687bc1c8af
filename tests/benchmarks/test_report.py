"""Figures and the table that they make."""

from __future__ import annotations

import json

from benchmarks.report import Figure, Target, as_json, number, table


def figure(*values: float, target: Target | None = None, note: str = "") -> Figure:
    return Figure(section="Speed", subject="us", quantity="runs", unit="/s", values=values, target=target, note=note)


def test_the_median_is_held_against_the_target() -> None:
    slow_once = figure(1.0, 9.0, 8.0, target=Target(5, at_least=True))

    assert slow_once.median == 8.0
    assert slow_once.is_reached is True


def test_at_most_is_the_other_way_round() -> None:
    assert figure(2.1, target=Target(2)).is_reached is False
    assert figure(2.0, target=Target(2)).is_reached is True


def test_a_figure_without_target_or_value_claims_nothing() -> None:
    assert figure(2.0).is_reached is None
    assert figure(target=Target(2)).is_reached is None


def test_the_table_shows_median_spread_target_and_verdict() -> None:
    lines = table([figure(1.0, 9.0, 8.0, target=Target(5, at_least=True))]).splitlines()

    assert lines[0] == "Speed"
    assert lines[2].split() == ["what", "figure", "median", "min", "..", "max", "unit", "target", "reached"]
    assert lines[3].split() == ["us", "runs", "8.00", "1.00", "..", "9.00", "/s", ">=", "5", "yes"]


def test_what_could_not_be_measured_is_said_in_its_row() -> None:
    assert table([figure(note="only root may")]).splitlines()[3].split("  ")[-1] == "only root may"


def test_sections_stay_apart_and_columns_are_aligned() -> None:
    other = Figure(section="Size", subject="a much longer subject", quantity="PSS", unit="MB", values=[1.0])

    speed, size = table([figure(8.0), other, figure(1234.0)]).split("\n\n")

    assert len(speed.splitlines()) == 5
    assert size.splitlines()[0] == "Size"
    assert {line.rstrip().index("/s") for line in speed.splitlines()[3:]} == {speed.splitlines()[2].index("unit")}


def test_numbers_keep_the_digits_that_count() -> None:
    assert [number(value) for value in (0, 0.0123, 1.234, 99.5, 1234.5)] == ["0", "0.012", "1.23", "99.50", "1,234"]


def test_json_holds_every_value() -> None:
    document = json.loads(as_json([figure(1.0, 2.0, target=Target(3))], machine={"cpus": 2}))

    assert document["machine"] == {"cpus": 2}
    assert document["figures"][0]["values"] == [1.0, 2.0]
    assert document["figures"][0]["median"] == 1.5
    assert document["figures"][0]["target"] == "<= 3"
    assert document["figures"][0]["reached"] is True
