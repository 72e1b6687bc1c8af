"""What a person does about alerts: sees, resolves, silences or wakes them, one or many at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from smart_cron.core.alert import Alert
from smart_cron.core.audit import Actor
from smart_cron.core.people import Role
from smart_cron.core.ports.alerts import AlertStore
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.nearness import near_alerts
from smart_cron.faces.web.premises import premises_of

MOST = 200
NOTE_CHARACTERS = 500


class Action(StrEnum):
    """What can be done."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SNOOZE = "snooze"
    WAKE = "wake"


class Snooze(StrEnum):
    """For how long nothing is said."""

    HOUR = "1h"
    FOUR_HOURS = "4h"
    DAY = "1d"
    WEEK = "7d"


SNOOZES = {
    Snooze.HOUR: gettext_lazy("1 hour"),
    Snooze.FOUR_HOURS: gettext_lazy("4 hours"),
    Snooze.DAY: gettext_lazy("1 day"),
    Snooze.WEEK: gettext_lazy("7 days"),
}
_LENGTHS = {
    Snooze.HOUR: timedelta(hours=1),
    Snooze.FOUR_HOURS: timedelta(hours=4),
    Snooze.DAY: timedelta(days=1),
    Snooze.WEEK: timedelta(days=7),
}


def change(request: HttpRequest) -> HttpResponse:
    """Do it to each of them, or to none where one is not there."""
    premises = premises_of(request)
    asked = Asked(request.POST, ("action", "for", "note", "back"), repeated=("alert",), longest=2000)
    action, numbers = asked.word("action", Action), asked.numbers("alert", most=MOST)
    note = asked.text("note")
    if action is None:
        raise UnusableError(_("Say what to do: acknowledge, resolve, snooze or wake."))
    if note and len(note) > NOTE_CHARACTERS:
        raise UnusableError(_("A note has at most %(most)d letters.") % {"most": NOTE_CHARACTERS})
    act = _act(action, premises.store.alerts, actor_of(request), note, _until(asked))
    found = near_alerts(premises, person_of(request), numbers)
    changed = sum(act(each) for each in found)
    _say(request, action, changed, len(found))
    return HttpResponseRedirect(_back(asked))


def _until(asked: Asked) -> datetime:
    length = asked.word("for", Snooze) or Snooze.HOUR
    return datetime.now(UTC) + _LENGTHS[length]


def _act(
    action: Action, alerts: AlertStore, actor: Actor, note: str | None, until: datetime
) -> Callable[[Alert], bool]:
    acts: dict[Action, Callable[[Alert], bool]] = {
        Action.ACKNOWLEDGE: lambda each: alerts.acknowledge(each.id, user_id=actor.user_id, actor=actor, note=note),
        Action.RESOLVE: lambda each: alerts.resolve(each.id, actor=actor, note=note),
        Action.SNOOZE: lambda each: alerts.snooze(each.id, until=until, actor=actor, note=note),
        Action.WAKE: lambda each: alerts.snooze(each.id, until=None, actor=actor, note=note),
    }
    return acts[action]


def _say(request: HttpRequest, action: Action, changed: int, asked_for: int) -> None:
    if not asked_for:
        messages.warning(request, _("No alert was chosen."))
        return
    done = {
        Action.ACKNOWLEDGE: ngettext("%d alert is acknowledged.", "%d alerts are acknowledged.", changed),
        Action.RESOLVE: ngettext("%d alert is resolved.", "%d alerts are resolved.", changed),
        Action.SNOOZE: ngettext("%d alert is silent.", "%d alerts are silent.", changed),
        Action.WAKE: ngettext("%d alert speaks again.", "%d alerts speak again.", changed),
    }
    if changed:
        messages.success(request, done[action] % changed)
    if already := asked_for - changed:
        messages.info(request, ngettext("%d was so already.", "%d were so already.", already) % already)


def _back(asked: Asked) -> str:
    """Return where the form stood, if that is a page of alerts."""
    here, wanted = reverse("alerts"), asked.text("back") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and (
        wanted == here or wanted.startswith((f"{here}?", f"{here}/"))
    )
    return wanted if is_ours else here


ROUTES = (Route(path="alerts/change", view=change, name="alert_change", see=None, change=Role.OPERATOR),)
