"""Runs by any filter: the port `RunReads`. Pages go by place, so that every page costs the same at any depth.

Where an index has the answer in order it is walked. What no index finds (who asked for it, node, exit code, duration)
is looked for among so many rows of the best walk there is; the page then says so, and where to go on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.errors import UnknownRunError
from smart_cron.core.run_filter import RunFilter, RunPage, RunPlace
from smart_cron.store.history import BRIEF, by_number_or_run_id, executions
from smart_cron.store.run_sums import RunSums
from smart_cron.store.run_ways import FEW_TASKS, Condition, Way, all_of, both, rest_of, ways_of, within_groups
from smart_cron.store.session import Session

# So many rows are looked at for one page. A tenth of a second on a disk that is not cached.
WINDOW = 10_000
_TABLE = "smart_cron_executions"
_LARGEST_ID = 2**63 - 1
# Runs are made shortly before they start: how far numbers may be out of the order of starts, at most.
BEFORE_START, AFTER_START = timedelta(days=8), timedelta(days=1)
_PROBES = 100


@dataclass(frozen=True, slots=True)
class _Walk:
    """What one way gave, and how far it was looked at where that was not to its end."""

    rows: list[dict[str, Any]]
    edge: RunPlace | None


class RunSearch(RunSums):
    """Lists runs."""

    def __init__(self, session: Session, *, window: int = WINDOW) -> None:
        super().__init__(session)
        self._window = window

    def page(
        self, wanted: RunFilter, *, before: RunPlace | None = None, after: RunPlace | None = None, limit: int = 50
    ) -> RunPage:
        """Return runs older than *before*, or newer than *after*, or the newest; without their output."""
        ways = ways_of(wanted, self._tasks_of_groups(wanted), self._instant)
        rest = all_of([*rest_of(wanted), *self._within_numbers(wanted)])
        step = _Step(self._session, self._window, key=ways[0].key, is_up=after is not None, limit=limit + 1)
        walks = [step.walk(way, both(way.rest, rest), after or before) for way in ways]
        return _assembled(walks, step, is_first=before is None)

    def brief(self, run: str) -> dict[str, Any]:
        """Return one execution by its number or run id, without its output. Raise UnknownRunError."""
        column, value = by_number_or_run_id(run)
        rows = executions(self._session, f"SELECT {BRIEF} FROM {_TABLE} WHERE {column} = %s", [value])
        if not rows:
            raise UnknownRunError(run)
        return rows[0]

    def of_slot(self, *, task_id: int, slot: datetime) -> Sequence[Mapping[str, Any]]:
        """Return the attempts of a slot, the first one first."""
        return executions(
            self._session,
            f"SELECT {BRIEF} FROM {_TABLE} WHERE task_id = %s AND scheduled_for = %s ORDER BY attempt LIMIT 100",
            [task_id, self._instant(slot)],
        )

    def nodes(self) -> Sequence[str]:
        """Return the names of nodes there are, by name."""
        return [
            row[0] for row in self._session.rows("SELECT node_name FROM smart_cron_nodes ORDER BY node_name LIMIT 1000")
        ]

    def _tasks_of_groups(self, wanted: RunFilter) -> Sequence[int] | None:
        """Return the tasks of somebody who is let near few of them, so that theirs need not be picked out of all."""
        if wanted.groups is None or wanted.task_id is not None or wanted.is_dated or wanted.statuses:
            return None
        groups, params = within_groups(wanted.groups)
        rows = self._session.rows(
            f"SELECT id FROM smart_cron_tasks_config WHERE {groups} ORDER BY id LIMIT %s", [*params, FEW_TASKS + 1]
        )
        return [row[0] for row in rows] if 0 < len(rows) <= FEW_TASKS else None

    def _within_numbers(self, wanted: RunFilter) -> list[Condition]:
        """Bound the numbers of a task's runs of a span, so that its other runs are not looked at."""
        if wanted.task_id is None or not wanted.is_dated:
            return []
        bounds: list[Condition] = []
        if wanted.until is not None and (most := self._number("MAX", wanted.until + AFTER_START)):
            bounds.append(("id <= %s", [most]))
        if wanted.since is not None and (least := self._number("MIN", wanted.since - BEFORE_START)):
            bounds.append(("id >= %s", [least]))
        return bounds

    def _number(self, which: str, at: datetime) -> int | None:
        index = self._session.dialect.force_index("smart_cron_executions_start")
        row = self._session.row(
            f"""SELECT {which}(id) FROM (SELECT id FROM {_TABLE}{index} WHERE started_at >= %s
             ORDER BY started_at LIMIT {_PROBES}) AS started""",
            [self._instant(at)],
        )
        return row[0] if row else None


class _Step:
    """One direction of one page."""

    def __init__(self, session: Session, window: int, *, key: str, is_up: bool, limit: int) -> None:
        self._session, self._window, self.key, self.is_up, self.limit = session, window, key, is_up, limit
        self._order = f"{key} {_word(is_up)}, id {_word(is_up)}" if key != "id" else f"id {_word(is_up)}"

    def walk(self, way: Way, rest: Condition, place: RunPlace | None) -> _Walk:
        """Return the next rows of this way that meet *rest* too."""
        table = _TABLE + (self._session.dialect.force_index(way.index) if way.index else "")
        passed = both(way.condition, self._beyond(place))
        # The few that are under way may all be looked at.
        edge = self._edge(table, way, passed, place) if rest[0] and not way.is_short else None
        text, params = all_of([passed, rest, *([self._up_to(edge)] if edge else [])])
        rows = executions(
            self._session, f"SELECT {BRIEF} FROM {table} WHERE {text} ORDER BY {self._order} LIMIT %s",
            [*params, self.limit],
        )  # fmt: skip
        return _Walk(rows, edge if len(rows) < self.limit else None)

    def _beyond(self, place: RunPlace | None) -> Condition:
        if place is None:
            return "1 = 1", []
        sign = ">" if self.is_up else "<"
        if self.key == "id" or place.at is None:
            return f"id {sign} %s", [place.id]
        at = self._session.dialect.instant(place.at)
        return f"{self.key} {sign}= %s AND ({self.key} {sign} %s OR id {sign} %s)", [at, at, place.id]

    def _up_to(self, edge: RunPlace) -> Condition:
        sign = "<" if self.is_up else ">"
        if edge.at is None:
            return f"id {sign}= %s", [edge.id]
        return f"{self.key} {sign}= %s", [self._session.dialect.instant(edge.at)]

    def _edge(self, table: str, way: Way, passed: Condition, place: RunPlace | None) -> RunPlace | None:
        """Return the place after so many rows of the way, None where there are no more."""
        if not way.index:
            return self._edge_by_number(place)
        text, params = passed
        columns = "id" if self.key == "id" else f"id, {self.key}"
        row = self._session.row(
            f"SELECT {columns} FROM {table} WHERE {text} ORDER BY {self._order} LIMIT 1 OFFSET {self._window - 1}",
            params,
        )
        if row is None:
            return None
        if self.key == "id":
            return RunPlace(id=row[0])
        # Whatever has the very same instant is looked at, too: the next page begins beyond it.
        return RunPlace(id=_LARGEST_ID if self.is_up else 0, at=self._session.dialect.read_instant(row[1]))

    def _edge_by_number(self, place: RunPlace | None) -> RunPlace | None:
        # Asked for both at once SQLite would read the whole table.
        row = self._session.row(f"SELECT (SELECT MIN(id) FROM {_TABLE}), (SELECT MAX(id) FROM {_TABLE})")
        least, most = row or (None, None)
        if least is None:
            return None
        if self.is_up:
            number = (place.id if place else 0) + self._window
            return RunPlace(id=number) if number < most else None
        number = (place.id if place else most + 1) - self._window
        return RunPlace(id=number) if number > least else None


def _assembled(walks: Sequence[_Walk], step: _Step, *, is_first: bool) -> RunPage:
    rank = _ranked(step.key)
    merged = list(heapq.merge(*(walk.rows for walk in walks), key=rank, reverse=not step.is_up))
    edges = sorted((walk.edge for walk in walks if walk.edge), key=_place_rank, reverse=not step.is_up)
    edge = edges[0] if edges else None
    if edge is not None:
        # Beyond the nearest edge one of the ways was not looked at.
        bound = _place_rank(edge)
        merged = [row for row in merged if (rank(row) <= bound if step.is_up else rank(row) >= bound)]
    has_more, rows = len(merged) >= step.limit, merged[: step.limit - 1]
    onward = _place(rows[-1], step.key) if has_more else edge
    if step.is_up:
        back = _place(rows[0], step.key) if rows else None
        return RunPage(rows=rows[::-1], older=back, newer=onward, is_cut=not has_more and edge is not None)
    back = _place(rows[0], step.key) if rows and not is_first else None
    return RunPage(rows=rows, older=onward, newer=back, is_cut=not has_more and edge is not None)


def _ranked(key: str) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    return (lambda row: (row["id"],)) if key == "id" else (lambda row: (row[key], row["id"]))


def _place_rank(place: RunPlace) -> tuple[Any, ...]:
    return (place.id,) if place.at is None else (place.at, place.id)


def _place(row: Mapping[str, Any], key: str) -> RunPlace:
    return RunPlace(id=row["id"], at=None if key == "id" else row[key])


def _word(is_up: bool) -> str:
    return "ASC" if is_up else "DESC"
