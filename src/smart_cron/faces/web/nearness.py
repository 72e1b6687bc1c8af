"""Whether something is any business of a person's groups. What is not is not found: nobody learns that it is there."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import Http404

from smart_cron.core.alert import Alert
from smart_cron.core.errors import UnknownAlertError
from smart_cron.core.people import Person
from smart_cron.faces.web.premises import Premises


def near_alerts(premises: Premises, person: Person, numbers: Sequence[int]) -> list[Alert]:
    """Return these alerts. Raise Http404 where one is not there or not near: then nothing is done to any of them."""
    try:
        found = [premises.store.alerts.get(number) for number in numbers]
    except UnknownAlertError:
        raise Http404 from None
    if person.groups is not None:
        _require_near(premises, person, found)
    return found


def _require_near(premises: Premises, person: Person, alerts: Sequence[Alert]) -> None:
    """Alerts of the system, and of tasks that were deleted, are for people who see all groups."""
    groups = premises.store.overview.groups_of([each.cause.task_id for each in alerts if each.cause.task_id])
    for each in alerts:
        task_id = each.cause.task_id
        if task_id is None or task_id not in groups or not person.is_near(groups[task_id]):
            raise Http404
