"""`/backups`: what was taken and proven; one is taken or proven here, and put back on the console alone.

For people who see all groups: a backup holds everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.backup import Backup, BackupKind, BackupStatus
from smart_cron.core.people import Person, Role
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.services.backup.keeper import Keeper
from smart_cron.wiring import House
from smart_cron.wiring.backups import keeper_of
from smart_cron.wiring.own_commands import last_words, own_command

CHORE = "backup"
MOST, LABEL_CHARACTERS = 200, 100


def backups(request: HttpRequest) -> HttpResponse:
    """Show the page; its list is kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    _require_all_groups(person)
    Asked(request.GET, ())
    return render(request, "backups.html", regions=_regions(premises, person), kinds=BackupKind)


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the list as it is now."""
    del query
    return _regions(premises, person) if person.groups is None else {}


def create(request: HttpRequest) -> HttpResponse:
    """Take one and prove it, as `smart-cron backup create` does."""
    asked = Asked(request.POST, ("kind", "label"), longest=1000)
    kind, label = asked.word("kind", BackupKind) or BackupKind.FULL, asked.text("label")
    if label is not None and (len(label) > LABEL_CHARACTERS or not label.isprintable()):
        raise UnusableError(_("A label has at most %(most)d letters, on one line.") % {"most": LABEL_CHARACTERS})
    words = ["backup", "create", "--json", *(["--config-only"] if kind is BackupKind.CONFIG else [])]
    words += [f"--label={label}"] if label else []
    _begin(request, "create", words, label or str(kind))
    return HttpResponseRedirect(reverse("backups"))


def verify(request: HttpRequest, backup_id: str) -> HttpResponse:
    """Restore it for a trial, as `smart-cron backup verify` does."""
    Asked(request.POST, ())
    backup = find(premises_of(request), person_of(request), backup_id)
    _begin(request, "verify", ["backup", "verify", "--json", "--", backup.name], backup.name)
    return HttpResponseRedirect(reverse("backups"))


def find(premises: Premises, person: Person, backup_id: str) -> Backup:
    """Return the backup of this id that lies in the folder. Raise Http404 where there is none: no name is trusted."""
    _require_all_groups(person)
    for backup in _keeper(premises).backups():
        if id_of(backup) == backup_id:
            return backup
    raise Http404


def id_of(backup: Backup) -> str:
    """Return what stands for a backup in addresses, whatever its file is called."""
    return hashlib.sha256(backup.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _begin(request: HttpRequest, action: str, words: Sequence[str], what: str) -> None:
    premises, actor = premises_of(request), actor_of(request)
    _require_all_groups(person_of(request))
    if premises.chores.begin(CHORE, lambda: _call(premises, words), by=str(actor), what=what):
        premises.store.audit.note(action, actor=actor, entity=("backup", 0, what))
    else:
        messages.info(request, _("Another backup is at work. Let it end, then try it again."))


def _call(premises: Premises, words: Sequence[str]) -> tuple[bool, str]:
    done = own_command(premises.config, words)
    if done.returncode == 0:
        found = json.loads(done.stdout)
        one = found[0] if isinstance(found, list) else found
        return True, _("%(file)s is verified: restored for a trial, every row the same.") % {"file": one["file"]}
    return False, last_words(done)


def _keeper(premises: Premises) -> Keeper:
    house = House(config=premises.config, store=premises.store, clock=premises.clock, log=premises.log)
    return keeper_of(house)


def _require_all_groups(person: Person) -> None:
    if person.groups is not None:
        raise Http404


def _regions(premises: Premises, person: Person) -> Mapping[str, str]:
    keeper = _keeper(premises)
    found = list(reversed(keeper.everything()))
    proven = [each.created_at for each in found if each.is_proven and each.kind is BackupKind.FULL]
    return {
        "summary": part(
            premises, person, "backups/_summary.html", chore=premises.chores.newest(CHORE),
            proven_at=max(proven, default=None), folder=keeper.folder.path, count=len(found),
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
