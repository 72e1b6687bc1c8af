"""`/runs/RUN`: what became of it and why, how it compares with others, and what it printed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.errors import SmartCronError, UnknownTaskError
from smart_cron.core.histogram import quantile
from smart_cron.core.people import Person, Role
from smart_cron.core.rollup import HOUR, hour_of
from smart_cron.core.run import HELD_STATUSES, ErrorType, Status
from smart_cron.core.run_filter import RunFilter
from smart_cron.core.run_remains import left_behind, unkept_limits
from smart_cron.faces.web.answers import bad_request, not_found
from smart_cron.faces.web.charts import Chart
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.pages.run_output import OUTPUT_ROUTES, STREAM_WORDS
from smart_cron.faces.web.pages.runs import shown
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.printed_html import mark, piece_html
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.run_of import path_of, run_of, shown_of
from smart_cron.faces.web.usage_chart import usage_chart
from smart_cron.services.output.printed import STREAMS
from smart_cron.services.output.usage import usage_of

COMPARED_WITH = timedelta(days=7)
KEPT_SECONDS = 60.0
QUERY = frozenset({"stream", "line"})
# Shorter than this nobody calls long.
LEAST_SECONDS = 1.0


def run(request: HttpRequest, run: str) -> HttpResponse:
    """Show the page: its facts follow by one stream, its output by another."""
    premises, person = premises_of(request), person_of(request)
    row = run_of(premises, person, run)
    if row is None:
        return not_found(request)
    stream, line = request.GET.get("stream", "both"), request.GET.get("line", "")
    if set(request.GET) - QUERY or stream not in STREAMS or (line and not (line.isdecimal() and len(line) < 16)):
        return bad_request(request)
    output = shown_of(premises, row, stream)
    pieces = [output.printed.around_line(int(line))] if line else output.printed.last()
    is_final = Status(row["status"]).is_final
    return render(
        request,
        "run.html",
        run=row,
        facts=_facts(premises, person, row),
        pieces=[piece_html(piece) for piece in pieces],
        start=mark(pieces[0].start) if pieces else "0-0",
        at=mark(pieces[-1].end) if pieces else "0-0",
        is_at_end=not (pieces and line),
        origin=output.origin,
        stream=stream,
        streams=STREAM_WORDS,
        is_final=is_final,
        is_live=not is_final and output.origin != "elsewhere",
        has_task=_task_id(premises, row) is not None,
        chart=_chart(premises, row),
    )


def _chart(premises: Premises, row: Mapping[str, Any]) -> Chart | None:
    """Return what the run uses over time where its file is here; of one that was over too soon there is nothing."""
    path = path_of(premises, row)
    looks = [] if path is None else usage_of(path)
    goes_on = row["status"] == Status.RUNNING and row["node"] == premises.config.node_name
    return usage_chart(looks, row["started_at"]) if row["started_at"] and (len(looks) > 1 or goes_on) else None


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts of the page that change."""
    row = run_of(premises, person, query.get("id", ""))
    if row is None:
        return {}
    found = {"facts": _facts(premises, person, row)}
    chart = _chart(premises, row)
    return found if chart is None else found | {"usage": part(premises, person, "_chart_data.html", chart=chart)}


def admits(premises: Premises, person: Person, query: QueryDict) -> bool:
    """Whether there is such a run for them."""
    return run_of(premises, person, query.get("id", "")) is not None


def kill(request: HttpRequest, run: str) -> HttpResponse:
    """Ask for the end of the run."""
    premises = premises_of(request)
    row = run_of(premises, person_of(request), run)
    if row is None:
        return not_found(request)
    if not _is_plain(request):
        return bad_request(request)
    asked = premises.store.history.request_cancel(
        row["id"], reason=ErrorType.CANCELLED, actor=actor_of(request), now=datetime.now(UTC)
    )
    if not asked:
        messages.info(request, _("The run had ended by itself; nothing was ended."))
    elif row["status"] in HELD_STATUSES:
        messages.success(request, _("The run is being ended, with all its processes."))
    else:
        messages.success(request, _("The run will not start."))
    return HttpResponseRedirect(reverse("run", args=[row["id"]]))


def rerun(request: HttpRequest, run: str) -> HttpResponse:
    """Run the run's task again, with the same arguments."""
    premises = premises_of(request)
    row = run_of(premises, person_of(request), run)
    task_id = None if row is None else _task_id(premises, row)
    if row is None or task_id is None:
        return not_found(request)
    if not _is_plain(request):
        return bad_request(request)
    try:
        number = premises.store.tasks.request_run(
            task_id, arguments=None, actor=actor_of(request), now=datetime.now(UTC), retry_of=row["id"]
        )
    except SmartCronError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("run", args=[row["id"]]))
    messages.success(request, _("This is the new run, with the arguments of run %(run)s.") % {"run": row["id"]})
    return HttpResponseRedirect(reverse("run", args=[number]))


def _is_plain(request: HttpRequest) -> bool:
    """Whether the form has nothing but its token (SECURITY 4)."""
    return set(request.POST) <= {"csrfmiddlewaretoken"} and not request.GET


def _task_id(premises: Premises, row: Mapping[str, Any]) -> int | None:
    """Return the run's task where it is still there, by its number: another one may have its name now."""
    try:
        return premises.store.tasks.get(int(row["task_id"])).id
    except UnknownTaskError:
        return None


def _facts(premises: Premises, person: Person, row: Mapping[str, Any]) -> str:
    slot = row["scheduled_for"]
    attempts = premises.store.runs.of_slot(task_id=row["task_id"], slot=slot) if slot else ()
    return part(
        premises,
        person,
        "runs/_facts.html",
        run=shown(row),
        left=left_behind(row),
        unkept=unkept_limits(row),
        lateness=_lateness(row),
        usual=_compared(premises, row),
        attempts=[shown(each) for each in attempts] if len(attempts) > 1 else [],
        may_kill=person.may(Role.OPERATOR) and not Status(row["status"]).is_final and not row["cancel_requested_at"],
        may_rerun=person.may(Role.OPERATOR) and Status(row["status"]).is_final,
    )


def _lateness(row: Mapping[str, Any]) -> float | None:
    """Return how long after its slot it started; a retry waits on purpose."""
    if row["scheduled_for"] is None or row["started_at"] is None or row["attempt"] != 1:
        return None
    return max(0.0, float((row["started_at"] - row["scheduled_for"]).total_seconds()))


def _compared(premises: Premises, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the task's runs took lately, from the sums."""
    wanted, until = RunFilter(task_id=row["task_id"]), hour_of(datetime.now(UTC)) + HOUR
    since = until - COMPARED_WITH
    total, histogram = premises.memo.get(
        ("usual", row["task_id"]),
        lambda: (
            premises.store.runs.sums(wanted, since=since, until=until),
            premises.store.runs.histogram(wanted, since=since, until=until),
        ),
        seconds=KEPT_SECONDS,
    )
    if total.runs < 2 or not histogram:
        return None
    usual, took = quantile(histogram, 0.5), row["execution_time"]
    is_longer = bool(usual and took and took > LEAST_SECONDS and took > 1.5 * usual)
    return {
        "runs": total.runs,
        "successes": total.successes,
        "p50": usual,
        "p95": quantile(histogram, 0.95),
        "times": f"{took / usual:.1f}" if is_longer else "",
        "memory": total.memory_peak_mb,
    }


ROUTES = (
    Route(path="runs/<str:run>", view=run, name="run"),
    Route(path="runs/<str:run>/kill", view=kill, name="run_kill", see=None, change=Role.OPERATOR),
    Route(path="runs/<str:run>/rerun", view=rerun, name="run_rerun", see=None, change=Role.OPERATOR, limit="runs"),
    *OUTPUT_ROUTES,
)
