"""`/tasks/explain`: a schedule in words and its next times, while it is typed."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.forecast import forecast
from smart_cron.core.people import Role
from smart_cron.core.zones import in_zone, zone
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import answering
from smart_cron.faces.web.guard import Route
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render

SHOWN = 10
LONGEST_PATTERN = 255


@answering
def explain(request: HttpRequest) -> HttpResponse:
    """Show what a schedule comes to, or what is wrong with it."""
    asking.require_known(request.GET, ("schedule", "time_zone"))
    pattern = asking.text(request.GET, "schedule", longest=LONGEST_PATTERN)
    name = asking.text(request.GET, "time_zone", longest=64) or premises_of(request).config.time_zone
    if not pattern:
        return render(request, "task/_forecast.html")
    now = datetime.now(UTC)
    try:
        place = zone(name)
        told = forecast(pattern, place, now=now, count=SHOWN)
    except InvalidInputError as fault:
        return render(request, "task/_forecast.html", problems=fault.problems)
    slots = [(slot, f"{in_zone(slot, place):%a %d %b %Y, %H:%M}") for slot in told.slots]
    return render(request, "task/_forecast.html", told=told, slots=slots, zone=place.key)


ROUTES = (Route(path="tasks/explain", view=explain, name="tasks_explain", see=Role.EDITOR),)
