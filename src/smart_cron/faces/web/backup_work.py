"""Backups for pages and programs: found by an id that is no path, taken and proven by the command in a process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from django.http import Http404
from django.utils.translation import gettext as _

from smart_cron.core.audit import Actor
from smart_cron.core.backup import Backup, BackupKind
from smart_cron.core.people import Person
from smart_cron.faces.web.asked import UnusableError
from smart_cron.faces.web.premises import Premises
from smart_cron.services.backup.keeper import Keeper
from smart_cron.wiring import House
from smart_cron.wiring.backups import keeper_of
from smart_cron.wiring.own_commands import last_words, own_command

CHORE = "backup"
LABEL_CHARACTERS = 100


def begin_create(premises: Premises, kind: BackupKind, label: str | None, *, actor: Actor) -> bool:
    """Take one and prove it, as `smart-cron backup create` does; False while another one is at work."""
    if label is not None and (len(label) > LABEL_CHARACTERS or not label.isprintable()):
        raise UnusableError(_("A label has at most %(most)d letters, on one line.") % {"most": LABEL_CHARACTERS})
    words = ["backup", "create", "--json", *(["--config-only"] if kind is BackupKind.CONFIG else [])]
    words += [f"--label={label}"] if label else []
    return _begin(premises, "create", words, label or str(kind), actor)


def begin_verify(premises: Premises, backup: Backup, *, actor: Actor) -> bool:
    """Restore it for a trial, as `smart-cron backup verify` does; False while another one is at work."""
    return _begin(premises, "verify", ["backup", "verify", "--json", "--", backup.name], backup.name, actor)


def find_backup(premises: Premises, person: Person, backup_id: str) -> Backup:
    """Return the backup of this id that lies in the folder. Raise Http404 where there is none: no name is trusted."""
    require_all_groups(person)
    for backup in keeper(premises).backups():
        if id_of(backup) == backup_id:
            return backup
    raise Http404


def id_of(backup: Backup) -> str:
    """Return what stands for a backup in addresses, whatever its file is called."""
    return hashlib.sha256(backup.name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def require_all_groups(person: Person) -> None:
    """Raise Http404 for who is let near some groups alone: a backup holds everything."""
    if person.groups is not None:
        raise Http404


def keeper(premises: Premises) -> Keeper:
    """Return who keeps the backups of this node."""
    return keeper_of(house_of(premises))


def house_of(premises: Premises) -> House:
    """Return what commands work with, over the store that pages have."""
    return House(config=premises.config, store=premises.store, clock=premises.clock, log=premises.log)


def _begin(premises: Premises, action: str, words: Sequence[str], what: str, actor: Actor) -> bool:
    if not premises.chores.begin(CHORE, lambda: _call(premises, words), by=str(actor), what=what):
        return False
    premises.store.audit.note(action, actor=actor, entity=("backup", 0, what))
    return True


def _call(premises: Premises, words: Sequence[str]) -> tuple[bool, str]:
    done = own_command(premises.config, words)
    if done.returncode == 0:
        found = json.loads(done.stdout)
        one = found[0] if isinstance(found, list) else found
        return True, _("%(file)s is verified: restored for a trial, every row the same.") % {"file": one["file"]}
    return False, last_words(done)
