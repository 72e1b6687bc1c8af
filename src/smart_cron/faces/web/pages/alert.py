"""`/alerts/NUMBER`: all that is known of one alert, and who was told by which channel with which answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse, QueryDict

from smart_cron.core.alert import Alert
from smart_cron.core.delivery import Delivered
from smart_cron.core.masking import masked_webhook
from smart_cron.core.people import Person
from smart_cron.core.run import Status
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.nearness import near_alerts
from smart_cron.faces.web.pages.alert_change import SNOOZES
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render

MOST_RUNS = 5
_FAILED = (Status.FAILED, Status.TIMEOUT, Status.OOM, Status.LOST, Status.START_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One message about the alert: to whom, how it ended, and in which words of the server."""

    receiver: str
    letter: Delivered
    words: str


def alert(request: HttpRequest, number: int) -> HttpResponse:
    """Show the page; its facts are kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    found = near_alerts(premises, person, [number])[0]
    return render(
        request, "alert.html", alert=found, regions=_regions(premises, person, found), snoozes=SNOOZES
    )  # fmt: skip


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts that change; nothing of an alert that is not there or not near."""
    try:
        number = Asked(query, ("number",)).number("number")
        found = near_alerts(premises, person, [number or 0])[0]
    except (UnusableError, Http404):
        return {}
    return _regions(premises, person, found)


def _regions(premises: Premises, person: Person, found: Alert) -> Mapping[str, str]:
    store = premises.store
    seen_by = store.alerts.seen_by(found.id) if found.acknowledged else None
    letters = store.outbox.letters_about(found.id, since=found.created_at)
    facts = part(
        premises, person, "alerts/_facts.html",
        alert=found, state=found.state(datetime.now(UTC)), seen_by=seen_by, details=list(_details(found)),
    )  # fmt: skip
    return {
        "facts": facts,
        "told": part(premises, person, "alerts/_told.html", told=[_heard(each) for each in letters]),
        "runs": part(premises, person, "alerts/_runs.html", alert=found, runs=_runs(premises, found)),
    }


def _details(found: Alert) -> Iterator[tuple[str, object]]:
    for name, value in found.details.items():
        yield name.replace("_", " ").capitalize(), value


def _heard(letter: Delivered) -> Heard:
    """A webhook's address is its password; of a channel of the settings nobody needs to see it."""
    target = letter.address.target
    shown = "" if target is None else (masked_webhook(target) or "") if "://" in target else target
    return Heard(receiver=shown, letter=letter, words=letter.answer or letter.last_error or "")


def _runs(premises: Premises, found: Alert) -> Sequence[Mapping[str, object]]:
    if found.cause.task_id is None:
        return []
    return premises.store.history.runs(task_id=found.cause.task_id, statuses=_FAILED, limit=MOST_RUNS)


ROUTES = (Route(path="alerts/<int:number>", view=alert, name="alert"),)
