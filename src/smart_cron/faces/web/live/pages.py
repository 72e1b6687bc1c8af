"""Which pages have regions that change, and who may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.http import QueryDict

from smart_cron.core.people import Person, Role
from smart_cron.faces.web.pages import alert, alerts, audit, backups, health, home, run, runs, task, tasks, tv
from smart_cron.faces.web.premises import Premises

Regions = Callable[[Premises, Person, QueryDict], Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePage:
    """Renders the regions of a page for a person, by their names; *query* is the page's own."""

    regions: Regions
    see: Role = Role.VIEWER
    # Asked before a stream begins, where the page is about something that may be none of theirs.
    admits: Callable[[Premises, Person, QueryDict], bool] | None = None


LIVE_PAGES: Mapping[str, LivePage] = {
    "home": LivePage(regions=home.regions),
    "alerts": LivePage(regions=alerts.regions),
    "alert": LivePage(regions=alert.regions),
    "runs": LivePage(regions=runs.regions),
    "run": LivePage(regions=run.regions, admits=run.admits),
    "task": LivePage(regions=task.regions, admits=task.admits),
    "tasks": LivePage(regions=tasks.regions, admits=tasks.admits),
    "health": LivePage(regions=health.regions),
    "audit": LivePage(regions=audit.regions, see=Role.EDITOR),
    "backups": LivePage(regions=backups.regions),
    "tv": LivePage(regions=tv.regions),
}
