"""Which pages have regions that change, and who may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.http import QueryDict

from smart_cron.core.people import Person, Role
from smart_cron.faces.web.pages import alert, alerts, audit, backups, health, home, run, runs, task, tasks, tv
from smart_cron.faces.web.premises import Premises
from smart_cron.faces.web.run_form import RunFilterForm

Regions = Callable[[Premises, Person, QueryDict], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePage:
    """Renders the regions of a page for a person, by their names; *query* is the page's own, of these *fields*."""

    regions: Regions
    # Whoever asks for the same by them looks at the same. Others are refused: each would be rendered for itself.
    fields: Sequence[str] = ()
    see: Role = Role.VIEWER
    # Asked before a stream begins, where the page is about something that may be none of theirs.
    admits: Callable[[Premises, Person, QueryDict], bool] | None = None


LIVE_PAGES: Mapping[str, LivePage] = {
    "home": LivePage(regions=home.regions),
    "alerts": LivePage(regions=alerts.regions, fields=alerts.FIELDS),
    "alert": LivePage(regions=alert.regions, fields=("number",)),
    "runs": LivePage(regions=runs.regions, fields=tuple(RunFilterForm.base_fields)),
    "run": LivePage(regions=run.regions, fields=("id",), admits=run.admits),
    "task": LivePage(regions=task.regions, fields=("task",), admits=task.admits),
    "tasks": LivePage(regions=tasks.regions, fields=tasks.FIELDS, admits=tasks.admits),
    "health": LivePage(regions=health.regions, fields=("node",)),
    "audit": LivePage(regions=audit.regions, fields=audit.FIELDS, see=Role.EDITOR),
    "backups": LivePage(regions=backups.regions),
    "tv": LivePage(regions=tv.regions),
}
