"""Tables of which many rows went are looked at anew for the planner, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.report import Done
from smart_cron.services.cleanup.statistics import MANY_ROWS, Act, Statistics

TABLES = {"executions": "runs", "hourly": "metrics", "daily": "metrics"}


class Looking:
    def __init__(self) -> None:
        self.tables: list[str] = []

    def refresh(self, tables: Sequence[str]) -> int:
        self.tables += tables
        return len(tables)


def deleting(count: int) -> Act:
    def act(tell: Tell) -> Done:
        tell(count)
        return Done(count=count)

    return act


def looked_at(**gone: int) -> tuple[list[str], int]:
    store = Looking()
    statistics = Statistics(store=lambda: store, tables=TABLES)
    for name, count in gone.items():
        assert statistics.counted(name, deleting(count))(lambda _: None).count == count
    return store.tables, statistics.refresh(lambda _: None).count


def test_a_table_of_which_many_rows_went_is_looked_at() -> None:
    assert looked_at(executions=MANY_ROWS, hourly=MANY_ROWS - 1) == (["runs"], 1)


def test_what_several_steps_take_from_one_table_adds_up() -> None:
    assert looked_at(hourly=MANY_ROWS // 2, daily=MANY_ROWS // 2) == (["metrics"], 1)


def test_where_little_went_nobody_is_asked() -> None:
    def must_not() -> Looking:
        raise AssertionError

    assert Statistics(store=must_not, tables=TABLES).refresh(lambda _: None) == Done()
