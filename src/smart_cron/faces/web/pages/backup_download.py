"""`/backups/ID/download`: a backup holds everything, so that a fresh login is asked for, and the audit log tells of it.

The file is found by its id among those in the folder: no name and no path of a client's is ever opened (SECURITY 24).
"""

from __future__ import annotations

import re
from pathlib import Path

from allauth.account.internal.flows.reauthentication import (
    did_recently_reauthenticate,
    raise_if_reauthentication_required,
)
from django.http import FileResponse, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase

from smart_cron.core.backup import Backup, RefusedBackupError
from smart_cron.core.people import Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.asked import Asked
from smart_cron.faces.web.backup_work import find_backup
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.services.backup.folder import open_plainly


class _Pieces(FileResponse):
    """Large pieces: each is a question at a desk."""

    block_size = 1 << 18


def download(request: HttpRequest, backup_id: str) -> HttpResponseBase:
    """Ask once more by a form, since what a link does must change nothing; send the file to who sends that."""
    premises = premises_of(request)
    backup = find_backup(premises, person_of(request), backup_id)
    if request.method != "POST":
        raise_if_reauthentication_required(request, app="account")
        return render(request, "backup_download.html", backup=backup, backup_id=backup_id)
    Asked(request.POST, ())
    if not did_recently_reauthenticate(request):
        return HttpResponseRedirect(request.get_full_path())
    return _sent(request, premises, backup)


def _sent(request: HttpRequest, premises: Premises, backup: Backup) -> HttpResponseBase:
    try:
        file = open_plainly(Path(backup.path))
    except RefusedBackupError as fault:
        premises.log.warning("Backup not sent", backup=backup.name, reason=fault.message)
        return not_found(request)
    premises.store.audit.note("download", actor=actor_of(request), entity=("backup", 0, backup.name))
    answer = _Pieces(file, as_attachment=True, filename=_plain(backup.name), content_type="application/gzip")
    # It is packed already; nothing on the way is to pack it again.
    answer["Content-Encoding"] = "identity"
    return answer


def _plain(name: str) -> str:
    """Return a name that no browser and no disk stumbles over."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-")[-100:]


ROUTES = (
    Route(
        path="backups/<slug:backup_id>/download",
        view=download,
        name="backup_download",
        see=Role.ADMIN,
        change=Role.ADMIN,
    ),
)
