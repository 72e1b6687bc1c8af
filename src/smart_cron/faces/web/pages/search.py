"""`/search?q=`: tasks by name, runs and alerts by number, and pages; as a page, or as JSON for the palette."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from smart_cron.core.alert_words import told
from smart_cron.core.errors import UnknownRunError
from smart_cron.core.people import Person
from smart_cron.faces.web.asked import Asked
from smart_cron.faces.web.guard import Route, person_of
from smart_cron.faces.web.nearness import near_alerts
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.sections import SECTIONS, is_open

MOST_TASKS, LONGEST_WORDS = 10, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something with an address."""

    icon: str
    title: str
    note: str
    url: str


def search(request: HttpRequest) -> HttpResponse:
    """Show what is found."""
    premises, person = premises_of(request), person_of(request)
    words = Asked(request.GET, ("q",), longest=LONGEST_WORDS).text("q") or ""
    found = list(_found(premises, person, words))
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"found": [asdict(each) for each in found]})
    return render(request, "search.html", words=words, found=found)


def _found(premises: Premises, person: Person, words: str) -> Iterator[Found]:
    if words.isascii() and words.isdigit() and len(words) < 19:
        yield from _run(premises, person, words)
        yield from _alert(premises, person, int(words))
    yield from _pages(person, words)
    if words:
        yield from _tasks(premises, person, words)


def _tasks(premises: Premises, person: Person, words: str) -> Iterator[Found]:
    home = reverse("home")
    for line in premises.store.overview.search(words, person.groups, limit=MOST_TASKS):
        state = _("off") if not line.enabled else line.last_status or ""
        yield Found(
            icon="list-check",
            title=told(line.name, 100),
            note=" · ".join(filter(None, (line.group, line.schedule, state))),
            url=f"{home}tasks/{quote(line.name, safe='')}",
        )


def _run(premises: Premises, person: Person, number: str) -> Iterator[Found]:
    try:
        run = premises.store.history.run(number)
    except UnknownRunError:
        return
    if person.is_near(run["task_group"]):
        title = _("Run %(number)s of %(task)s") % {"number": number, "task": told(run["task_name"], 100)}
        yield Found(icon="history", title=title, note=str(run["status"]), url=f"{reverse('home')}runs/{run['id']}")


def _alert(premises: Premises, person: Person, number: int) -> Iterator[Found]:
    try:
        alert = near_alerts(premises, person, [number])[0]
    except Http404:
        return
    title = _("Alert %(number)s") % {"number": number}
    yield Found(icon="bell", title=title, note=told(alert.message, 120), url=reverse("alert", args=[number]))


def _pages(person: Person, words: str) -> Iterator[Found]:
    for name, icon, title, key in SECTIONS:
        if words.lower() in str(title).lower() and is_open(name, person):
            try:
                yield Found(icon=icon, title=str(title), note=f"g {key}", url=reverse(name))
            except NoReverseMatch:
                continue


ROUTES = (Route(path="search", view=search, name="search", limit="searches"),)
