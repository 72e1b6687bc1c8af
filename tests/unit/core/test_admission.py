"""Which waiting runs start now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from smart_cron.core.admission import Admission, admit
from smart_cron.core.run import WaitingRun

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOTHING: Mapping[str, int] = {}


def waiting(number: int, group: str | None = None, start_before: datetime | None = None) -> WaitingRun:
    return WaitingRun(execution_id=number, task_id=number, group=group, start_before=start_before)


def decide(
    runs: Sequence[WaitingRun],
    places: int = 10,
    limits: Mapping[str, int] = NOTHING,
    usage: Mapping[str, int] = NOTHING,
) -> Admission:
    return admit(runs, places=places, group_limits=limits, group_usage=usage, now=NOON)


def test_the_first_in_line_get_the_free_places() -> None:
    assert decide([waiting(5), waiting(3), waiting(9)], places=2).claim == (5, 3)


def test_nobody_starts_without_a_place() -> None:
    assert decide([waiting(5)], places=0) == Admission()


def test_a_full_group_is_set_aside_and_stands_in_nobodys_way() -> None:
    runs = [waiting(1, "db"), waiting(2, "db"), waiting(3)]

    assert decide(runs, places=1, limits={"db": 2}, usage={"db": 2}) == Admission(claim=(3,), block=(1, 2))


def test_a_group_fills_up_with_what_is_claimed_right_now() -> None:
    runs = [waiting(n, "db") for n in (1, 2, 3)]

    assert decide(runs, limits={"db": 2}, usage={"db": 1}) == Admission(claim=(1,), block=(2, 3))


def test_groups_without_a_limit_have_none() -> None:
    assert decide([waiting(1, "free"), waiting(2, "free")], limits={"db": 1}).claim == (1, 2)


def test_a_limit_of_nothing_stops_a_group() -> None:
    assert decide([waiting(1, "db")], limits={"db": 0}).block == (1,)


def test_a_start_that_comes_too_late_takes_no_place() -> None:
    runs = [waiting(1, start_before=NOON - timedelta(microseconds=1)), waiting(2, start_before=NOON), waiting(3)]

    assert decide(runs, places=2) == Admission(claim=(2, 3), expire=(1,))


def test_one_that_is_too_late_expires_even_in_a_full_group() -> None:
    late = waiting(1, "db", NOON - timedelta(seconds=1))

    assert decide([late], limits={"db": 0}) == Admission(expire=(1,))


def test_handing_in_usage_does_not_change_it() -> None:
    usage = {"db": 0}
    decide([waiting(1, "db")], limits={"db": 5}, usage=usage)

    assert usage == {"db": 0}
