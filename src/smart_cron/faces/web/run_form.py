"""The filter of the list of runs, as people write it into the address: closed lists, and words for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from smart_cron.core.errors import UnknownTaskError
from smart_cron.core.people import Person
from smart_cron.core.run import HELD_STATUSES, PENDING_STATUSES, UNSTARTED_STATUSES, Status, Trigger
from smart_cron.core.run_filter import RunFilter, RunPlace
from smart_cron.core.zones import zone
from smart_cron.faces.web.premises import Premises

FAILED = (Status.FAILED, Status.TIMEOUT, Status.KILLED, Status.OOM, Status.LOST, Status.START_FAILED)
STATES: Mapping[str, tuple[Status, ...]] = {
    "failed": FAILED,
    "success": (Status.SUCCESS,),
    "running": HELD_STATUSES,
    "waiting": PENDING_STATUSES,
    "error": (Status.FAILED,),
    "timeout": (Status.TIMEOUT,),
    "killed": (Status.KILLED,),
    "oom": (Status.OOM,),
    "lost": (Status.LOST,),
    "start_failed": (Status.START_FAILED,),
    "not_started": UNSTARTED_STATUSES,
}
_STATE_WORDS = (
    ("", _("Any")),
    ("failed", _("Failed, in any way")),
    ("success", _("Success")),
    ("running", _("Running")),
    ("waiting", _("Waiting")),
    ("error", _("Ended with an error")),
    ("timeout", _("Timeout")),
    ("killed", _("Killed")),
    ("oom", _("Out of memory")),
    ("lost", _("Lost")),
    ("start_failed", _("Could not start")),
    ("not_started", _("Missed or skipped")),
)
_TRIGGER_WORDS = (("", _("Any")), ("cron", _("Schedule")), ("manual", _("By hand")), ("retry", _("Retry")))
# How long ago, for links that stay true.
AGO = {"1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d)?", re.ASCII)
_PLACE = re.compile(r"(\d{1,18})(?:@(\d{1,17}))?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
PLACES = frozenset({"before", "after"})
_LARGEST = 2**31 - 1


class MomentField(forms.CharField):
    """An instant in the installation's zone: a date, a date and time, or one of a few words."""

    place: tzinfo = UTC

    def clean(self, value: Any) -> datetime | None:
        """Return the instant, None for nothing."""
        text = str(super().clean(value) or "").strip()
        if not text:
            return None
        now = datetime.now(self.place)
        if text in AGO:
            return now - AGO[text]
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if text in ("today", "yesterday"):
            return today if text == "today" else (today - timedelta(hours=12)).replace(hour=0)
        try:
            if not _INSTANT.fullmatch(text):
                raise ValueError(text)
            return datetime.fromisoformat(text).replace(tzinfo=self.place).astimezone(UTC)
        except (ValueError, OverflowError):
            raise forms.ValidationError(_("Write 2026-11-28, 2026-11-28 14:30, today, yesterday or 24h.")) from None


class RunFilterForm(forms.Form):
    """What the list may be asked for; the names of the fields are those of the address."""

    task = forms.CharField(required=False, max_length=100, label=_("Task"))
    status = forms.ChoiceField(required=False, choices=_STATE_WORDS, label=_("Status"))
    since = MomentField(required=False, max_length=20, label=_("From"))
    until = MomentField(required=False, max_length=20, label=_("Until"))
    trigger = forms.ChoiceField(required=False, choices=_TRIGGER_WORDS, label=_("Started by"))
    node = forms.ChoiceField(required=False, label=_("Node"))
    exit_code = forms.IntegerField(required=False, min_value=-_LARGEST, max_value=_LARGEST, label=_("Exit code"))
    least = forms.FloatField(required=False, min_value=0, max_value=1e9, label=_("Took at least (s)"))
    most = forms.FloatField(required=False, min_value=0, max_value=1e9, label=_("Took at most (s)"))
    rare: ClassVar = ("trigger", "node", "exit_code", "least", "most")

    def __init__(self, query: QueryDict, premises: Premises, person: Person) -> None:
        super().__init__({name: value for name, value in query.items() if value})
        self._premises, self._person = premises, person
        self._task_id: int | None = None
        nodes = premises.memo.get("nodes", premises.store.runs.nodes, seconds=10.0)
        self.fields["node"].choices = [("", _("Any")), *((name, name) for name in nodes)]  # type: ignore[attr-defined]
        for name in ("since", "until"):
            self.fields[name].place = zone(premises.config.time_zone)  # type: ignore[attr-defined]
            self.fields[name].widget.attrs["placeholder"] = "today"
        for name in ("task", "since", "until", "exit_code", "least", "most"):
            self.fields[name].widget.attrs["autocomplete"] = "off"
        # Of a node that is gone the history remains.
        self._strangers = [name for name in query if name not in {*self.fields, *PLACES}]
        self._doubled = [name for name, values in query.lists() if len(values) > 1]

    def clean_task(self) -> str:
        """Return the name; whether it is not there or none of theirs nobody can tell."""
        name: str = self.cleaned_data["task"]
        if not name:
            return name
        try:
            task = self._premises.store.tasks.get(name)
        except UnknownTaskError:
            task = None
        if task is None or not self._person.is_near(task.definition.group):
            raise forms.ValidationError(_("There is no task of this name."))
        self._task_id = task.id
        return name

    def clean(self) -> dict[str, Any]:
        """Refuse what the list does not know (SECURITY 4, 5), and spans that end before they begin."""
        for name in self._strangers:
            self.add_error(None, _("There is no filter “%(name)s”.") % {"name": name[:100]})
        for name in self._doubled:
            self.add_error(None, _("“%(name)s” is given twice.") % {"name": name[:100]})
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until <= since:
            self.add_error("until", _("This is not after “From”."))
        return self.cleaned_data

    def wanted(self) -> RunFilter:
        """Return the filter; the form is valid."""
        told = self.cleaned_data
        return RunFilter(
            task_id=self._task_id,
            statuses=STATES.get(told["status"], ()),
            since=told["since"],
            until=told["until"],
            trigger=Trigger(told["trigger"]) if told["trigger"] else None,
            node=told["node"] or None,
            exit_code=told["exit_code"],
            least_seconds=told["least"],
            most_seconds=told["most"],
            groups=self._person.groups,
        )

    @property
    def said(self) -> Iterator[tuple[str, str]]:
        """Yield what was asked for, as it was written."""
        for name in self.fields:
            if value := self.data.get(name):
                yield name, value

    @property
    def asks_rare(self) -> bool:
        """Whether one of the fields that are folded away is used."""
        return any(self.data.get(name) for name in self.rare)


def place_from(text: str | None) -> RunPlace | None:
    """Return a place as `place_text` wrote it. Raise ValueError for any other text."""
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    at = None if found[2] is None else _EPOCH + int(found[2]) * _MICROSECOND
    return RunPlace(id=int(found[1]), at=at)


def place_text(place: RunPlace | None) -> str:
    """Return a place for an address, empty for none."""
    if place is None:
        return ""
    return str(place.id) if place.at is None else f"{place.id}@{(place.at - _EPOCH) // _MICROSECOND}"
