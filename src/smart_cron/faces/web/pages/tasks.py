"""`/tasks`: every task in a line, found by text, group, tag and state, and switched or run by the handful."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from smart_cron.core.people import Person
from smart_cron.core.task_board import TaskCounts, TaskFilter, TaskLine, TaskSort, TaskState
from smart_cron.core.task_words import first_slot, in_words
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import answering
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.sparks import BARS, Spark, spark_of

A_PAGE, MOST_PAGES = 50, 1_000
ROW_SECONDS, PULSES_SECONDS = 60.0, 5.0
FIELDS = ("q", "group", "tag", "state", "sort", "page")
# In an address; no group is called so.
NO_GROUP = "~"
STATES = {
    TaskState.ENABLED: _("Enabled"),
    TaskState.RUNNING: _("Running"),
    TaskState.FAILING: _("Failing"),
    TaskState.HELD: _("Held"),
    TaskState.INVALID: _("Invalid"),
    TaskState.DISABLED: _("Disabled"),
}
# What of each is looked for first.
DESCENDING = frozenset({TaskSort.LAST, TaskSort.FAILURES, TaskSort.TIME})
COLUMNS = (
    (TaskSort.NAME, _("Task"), ""),
    (None, _("Schedule"), "roomy"),
    (TaskSort.FAILURES, _("State"), ""),
    (TaskSort.LAST, _("Last run"), "roomy"),
    (TaskSort.NEXT, _("Next run"), "roomy"),
    (TaskSort.RATE, _("Success"), "roomy text-end"),
    (TaskSort.TIME, _("Time"), "roomy text-end"),
    (None, _("Last hours"), "roomy spacious"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address asks for."""

    wanted: TaskFilter
    sort: TaskSort
    descending: bool
    page: int

    @property
    def offset(self) -> int:
        """How many tasks stand before the page."""
        return (self.page - 1) * A_PAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task and what is said of it."""

    line: TaskLine
    words: str
    next_at: datetime | None
    spark: Spark | None


@answering
def tasks(request: HttpRequest) -> HttpResponse:
    """Show a page of tasks; its regions are kept up to date by its stream."""
    premises, person, board = premises_of(request), person_of(request), premises_of(request).store.board
    asked = read_query(request.GET, person)
    return render(
        request,
        "tasks.html",
        asked=asked,
        query=request.GET.urlencode(),
        heads=_heads(request.GET, asked),
        groups=board.groups(person.groups),
        tags=board.tags(person.groups),
        no_group=NO_GROUP,
        once=secrets.token_urlsafe(16),
        regions=regions(premises, person, request.GET),
    )


def admits(premises: Premises, person: Person, query: QueryDict) -> bool:
    """Whether the list that is asked for is one."""
    del premises
    try:
        read_query(query, person)
    except asking.WrongRequestError:
        return False
    return True


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the page that change."""
    asked, board = read_query(query, person), premises.store.board
    counts = board.counts(asked.wanted)
    lines = board.page(asked.wanted, sort=asked.sort, descending=asked.descending, offset=asked.offset, limit=A_PAGE)
    found = counts.by_state[asked.wanted.state] if asked.wanted.state else counts.all
    return {
        "states": part(premises, person, "tasks/_states.html", states=_states(query, asked, counts)),
        "rows": part(premises, person, "tasks/_rows.html", rows=_shown(premises, person, lines)),
        "pager": part(premises, person, "tasks/_pager.html", **_pager(query, asked, found)),
    }


def read_query(query: QueryDict, person: Person) -> Asked:
    """Return what is asked for. Raise WrongRequestError for what nobody knows."""
    asking.require_known(query, FIELDS)
    group = asking.text(query, "group", longest=100) or None
    sort = query.get("sort") or TaskSort.NAME.value
    word = sort.removeprefix("-")
    if word not in set(TaskSort):
        raise asking.WrongRequestError(f"There is no order '{word[:50]}'.")
    return Asked(
        wanted=TaskFilter(
            near=person.groups,
            text=asking.text(query, "q"),
            group="" if group == NO_GROUP else group,
            tag=asking.text(query, "tag", longest=100) or None,
            state=asking.choice(query, "state", TaskState),
        ),
        sort=TaskSort(word),
        descending=sort.startswith("-"),
        page=asking.number(query, "page", least=1, most=MOST_PAGES) or 1,
    )


def _shown(premises: Premises, person: Person, lines: Sequence[TaskLine]) -> list[SafeString]:
    """Return each row as it is shown: between two looks few of them change, and to render one takes a millisecond."""
    language, shown = get_language(), []
    for row in _rows(premises, lines):
        key = ("task row", row, person.role, language)
        shown.append(
            premises.memo.get(key, partial(part, premises, person, "tasks/_row.html", row=row), seconds=ROW_SECONDS)
        )
    return shown


def _rows(premises: Premises, lines: Sequence[TaskLine]) -> list[Row]:
    ids = tuple(line.id for line in lines)
    read = partial(premises.store.board.pulses, ids, limit=BARS)
    pulses = premises.memo.get(("pulses", ids), read, seconds=PULSES_SECONDS)
    now, place = datetime.now(UTC), ZoneInfo(premises.config.time_zone)
    return [
        Row(
            line=line,
            words=in_words(line.schedule),
            next_at=_next(line, now, place),
            spark=spark_of(pulses.get(line.id, ())),
        )
        for line in lines
    ]


def _next(line: TaskLine, now: datetime, place: ZoneInfo) -> datetime | None:
    if line.next_run_at is not None or not line.enabled or line.invalid_reason:
        return line.next_run_at
    return first_slot(line.schedule, line.time_zone, now, place)


def _states(query: QueryDict, asked: Asked, counts: TaskCounts) -> list[dict[str, Any]]:
    every: list[dict[str, Any]] = [
        {"words": _("All"), "count": counts.all, "is_here": asked.wanted.state is None, "query": _with(query, state="")}
    ]
    for state, words in STATES.items():
        is_here, count = asked.wanted.state is state, counts.by_state[state]
        if count or is_here or state in (TaskState.ENABLED, TaskState.DISABLED):
            shown = {"words": words, "count": count, "is_here": is_here, "state": state.value}
            every.append({**shown, "query": _with(query, state=state.value)})
    return every


def _heads(query: QueryDict, asked: Asked) -> list[dict[str, Any]]:
    heads = []
    for sort, words, kind in COLUMNS:
        is_here = sort is asked.sort
        down = not asked.descending if is_here else sort in DESCENDING
        link = _with(query, sort=f"{'-' if down else ''}{sort}") if sort else None
        order = ("descending" if asked.descending else "ascending") if is_here else None
        heads.append({"words": words, "kind": kind, "query": link, "order": order})
    return heads


def _pager(query: QueryDict, asked: Asked, found: int) -> dict[str, Any]:
    pages = max(1, -(-found // A_PAGE))
    return {
        "found": found,
        "first": min(asked.offset + 1, found),
        "last": min(asked.offset + A_PAGE, found),
        "page": asked.page,
        "pages": pages,
        "before": _with(query, page=str(min(asked.page - 1, pages))) if asked.page > 1 else None,
        "after": _with(query, page=str(asked.page + 1)) if asked.page < pages else None,
    }


def _with(query: QueryDict, **changed: str) -> str:
    """Return the query with some fields changed; another page only where just that is asked for."""
    made = query.copy()
    if "page" not in changed:
        made.pop("page", None)
    for name, value in changed.items():
        if value:
            made[name] = value
        else:
            made.pop(name, None)
    return made.urlencode()


ROUTES = (Route(path="tasks", view=tasks, name="tasks"),)
