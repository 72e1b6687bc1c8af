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
    if len(those_near(premises, person, found)) < len(found):
        raise Http404
    return found


def those_near(premises: Premises, person: Person, alerts: Sequence[Alert]) -> list[Alert]:
    """Return those of these alerts. By the number of the task: another one may have its name now.

    Alerts of the system, and of tasks that were deleted, are for people who see all groups.
    """
    if person.groups is None:
        return list(alerts)
    of_tasks = {each.id: each.cause.task_id for each in alerts if each.cause.task_id is not None}
    groups = premises.store.overview.groups_of(list(of_tasks.values()))
    near = {number for number, task_id in of_tasks.items() if task_id in groups and person.is_near(groups[task_id])}
    return [each for each in alerts if each.id in near]
