"""`/tasks/NAME/why`: why a slot ran, did not run, or is none, in the sentences of `smart-cron why`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from smart_cron.core.ledger import LedgerTask
from smart_cron.core.moments import FORMS, Moment, is_in_reach, moment_of
from smart_cron.core.task import Task
from smart_cron.core.why_facts import Answer
from smart_cron.faces.web import asking
from smart_cron.faces.web.asking import answering
from smart_cron.faces.web.guard import Route
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.task_found import task_of
from smart_cron.faces.web.task_key import key_of
from smart_cron.wiring.inquiring import inquiry_at


@answering
def why(request: HttpRequest, key: str) -> HttpResponse:
    """Answer about the slot at a time, or about the last one and the next."""
    asking.require_known(request.GET, ("at",))
    premises, task, now = premises_of(request), task_of(request, key), datetime.now(UTC)
    place, written = ZoneInfo(premises.config.time_zone), asking.text(request.GET, "at", longest=50)
    moment = moment_of(written, now=now, place=place) if written else None
    problem = _problem(written, moment)
    return render(
        request,
        "task/why.html",
        400 if problem else 200,
        task=task,
        key=key_of(task.name),
        tab="why",
        at=written,
        zone=place.key,
        problem=problem,
        remark=moment.remark if moment else None,
        answers=() if problem else _answers(premises, task, moment, now, place),
    )


def _problem(written: str, moment: Moment | None) -> str | None:
    if written and moment is None:
        return _("This is no point in time; write it like %(forms)s.") % {"forms": FORMS}
    if moment is not None and not is_in_reach(moment.at):
        return _("This is out of reach: no slot is planned so far away.")
    return None


def _answers(premises: Premises, task: Task, moment: Moment | None, now: datetime, place: ZoneInfo) -> Sequence[Answer]:
    inquiry = inquiry_at(premises.store, premises.config, now=now, place=place)
    subject = inquiry.subject(
        LedgerTask(task_id=task.id, name=task.name, exists=True),
        definition=task.definition,
        default_zone=premises.config.time_zone,
    )
    if moment is None:
        return inquiry.last_and_next(subject)
    return [inquiry.of_slot([subject], moment.at, width=moment.width)]


ROUTES = (Route(path="tasks/<str:key>/why", view=why, name="task_why"),)
