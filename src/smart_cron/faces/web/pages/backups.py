"""`/backups`: what was taken and proven; one is taken or proven here, and put back on the console alone.

For people who see all groups: a backup holds everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.backup import BackupKind, BackupStatus
from smart_cron.core.people import Person, Role
from smart_cron.faces.web.asked import Asked
from smart_cron.faces.web.backup_work import (
    CHORE,
    begin_create,
    begin_verify,
    find_backup,
    id_of,
    keeper,
    require_all_groups,
)
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render

MOST = 200


def backups(request: HttpRequest) -> HttpResponse:
    """Show the page; its list is kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    require_all_groups(person)
    Asked(request.GET, ())
    return render(request, "backups.html", regions=_regions(premises, person), kinds=BackupKind)


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the list as it is now."""
    del query
    return _regions(premises, person) if person.groups is None else {}


def create(request: HttpRequest) -> HttpResponse:
    """Take one and prove it."""
    asked = Asked(request.POST, ("kind", "label"), longest=1000)
    require_all_groups(person_of(request))
    kind, label = asked.word("kind", BackupKind) or BackupKind.FULL, asked.text("label")
    return _back(request, has_begun=begin_create(premises_of(request), kind, label, actor=actor_of(request)))


def verify(request: HttpRequest, backup_id: str) -> HttpResponse:
    """Restore it for a trial."""
    Asked(request.POST, ())
    premises = premises_of(request)
    backup = find_backup(premises, person_of(request), backup_id)
    return _back(request, has_begun=begin_verify(premises, backup, actor=actor_of(request)))


def _back(request: HttpRequest, *, has_begun: bool) -> HttpResponse:
    if not has_begun:
        messages.info(request, _("Another backup is at work. Let it end, then try it again."))
    return HttpResponseRedirect(reverse("backups"))


def _regions(premises: Premises, person: Person) -> Mapping[str, str]:
    kept = keeper(premises)
    found = list(reversed(kept.everything()))
    proven = [each.created_at for each in found if each.is_proven and each.kind is BackupKind.FULL]
    return {
        "summary": part(
            premises, person, "backups/_summary.html", chore=premises.chores.newest(CHORE),
            proven_at=max(proven, default=None), folder=kept.folder.path, count=len(found),
        ),
        "list": part(
            premises, person, "backups/_list.html", statuses=BackupStatus, left_out=max(0, len(found) - MOST),
            rows=[(each, id_of(each), Path(each.name).name) for each in found[:MOST]],
        ),
    }  # fmt: skip


ROUTES = (
    Route(path="backups", view=backups, name="backups"),
    Route(path="backups/create", view=create, name="backup_create", see=None, change=Role.ADMIN),
    Route(path="backups/<slug:backup_id>/verify", view=verify, name="backup_verify", see=None, change=Role.ADMIN),
)
