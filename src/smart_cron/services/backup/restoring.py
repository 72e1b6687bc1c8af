"""A backup brought back: looked through, the present saved, starts held, proven beside, put in place at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from smart_cron.core.backup import (
    ACCOUNTS,
    AUDIT,
    TABLES,
    Backup,
    BackupKind,
    BackupReason,
    BackupStatus,
    Contents,
    RefusedBackupError,
)
from smart_cron.core.errors import SmartCronError
from smart_cron.core.node import HoldKind
from smart_cron.core.ports import HoldStore
from smart_cron.core.roll import changes
from smart_cron.services.backup.keeper import Keeper

# With these comes a past of runs and slots that is not the present one: it has to be settled before anything starts.
PAST = frozenset({"smart_cron_executions", "smart_cron_nodes", "smart_cron_skipped_slots"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a restore would do: the tables that it replaces, with the rows that the backup has of each.

    `changes` is what becomes of those who may log in, a sentence each; None where they stay as they are.
    """

    backup: Backup
    tables: tuple[str, ...]
    contents: Contents
    changes: tuple[str, ...] | None = None

    @property
    def takes_accounts(self) -> bool:
        """Whether who may log in comes from the backup, too."""
        return self.changes is not None

    @property
    def brings_past(self) -> bool:
        """Whether the time since the backup has to be settled afterwards."""
        return not PAST.isdisjoint(self.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What became of it: the backup taken before, migrations applied to the old rows, and what could not be made.

    `changes` is what became of those who may log in; None where they stayed.
    """

    saved: Backup | None
    migrated: Sequence[str] = ()
    left_out: Sequence[str] = ()
    changes: Sequence[str] | None = None


def plan_restore(keeper: Keeper, backup: Backup, *, tables: Sequence[str] = (), accounts: bool | None = None) -> Plan:
    """Look a backup through, restoring nothing; *tables* are those that are wanted, all where none are named.

    *accounts* says whether who may log in comes from it, too. Where it does not say, they do with a whole backup that
    meets a database in which nobody may: else a restore would let in whom somebody has locked out since.

    Raise RefusedBackupError for a file that is damaged, foreign, hostile, too new, or without what is wanted.
    """
    with keeper.opened(backup) as text:
        contents = keeper.source.look(text)
    wanted = tuple(tables) or tuple(name for name in TABLES if name in contents.tables)
    missing = [name for name in wanted if name not in contents.tables]
    if missing:
        raise RefusedBackupError(
            f"{backup.name} does not hold {missing[0]}.",
            remedy="'smart-cron backup restore --dry-run' says what it holds.",
        )
    together = (*wanted, *AUDIT) if not set(AUDIT).isdisjoint(wanted) else wanted
    takes = _takes_accounts(keeper, backup, contents, accounts=accounts, is_whole=not tables)
    told = _changes(keeper, backup) if takes else None
    return Plan(backup=backup, tables=tuple(dict.fromkeys(together)), contents=contents, changes=told)


def _takes_accounts(
    keeper: Keeper, backup: Backup, contents: Contents, *, accounts: bool | None, is_whole: bool
) -> bool:
    if accounts and not contents.holds_accounts:
        raise RefusedBackupError(f"{backup.name} holds nobody who may log in.", remedy="Leave --with-accounts out.")
    if accounts is None:
        return is_whole and contents.holds_accounts and not keeper.source.has_accounts()
    return accounts


def _changes(keeper: Keeper, backup: Backup) -> tuple[str, ...]:
    """Restore who may log in, and no more, into a scratch place, and compare."""
    with keeper.source.scratch(keeper.folder.path) as scratch:
        keeper.load(backup, scratch, taking=ACCOUNTS)
        return tuple(changes(*scratch.rolls()))


def restore(keeper: Keeper, holds: HoldStore, plan: Plan, *, actor: str, save: bool = True) -> Restored:
    """Put the planned tables in the place of the live ones, all or none.

    Starts are held from now on; where the plan brings a past of its own they stay held, until that is settled.
    """
    reason = f"a backup is being restored: {plan.backup.name}"
    ours = holds.hold(HoldKind.RESTORED, reason=reason, actor=actor)
    try:
        with keeper.folder.alone():
            saved = _saved(keeper) if save else None
            if plan.takes_accounts:
                keeper.source.make_account_tables()
            done = _put_in_place(keeper, plan, actor)
            for backup in keeper.backups():
                keeper.book.enter(backup)
    except BaseException:
        _release(holds, actor, ours=ours)
        raise
    if not plan.brings_past:
        _release(holds, actor, ours=ours)
    return replace(done, saved=saved)


def _release(holds: HoldStore, actor: str, *, ours: bool) -> None:
    if ours:
        holds.release(HoldKind.RESTORED, actor=actor)


def _saved(keeper: Keeper) -> Backup:
    saved = keeper.create_alone(BackupKind.FULL, BackupReason.RESTORE)
    if saved.status is BackupStatus.FAILED:
        raise SmartCronError(
            f"what is there now could not be saved before: {saved.error}",
            remedy="Mend that; or, where nothing of it is worth saving, give --no-backup.",
        )
    return saved


def _put_in_place(keeper: Keeper, plan: Plan, actor: str) -> Restored:
    with keeper.source.scratch(keeper.folder.path) as scratch:
        keeper.load(plan.backup, scratch, taking=None if plan.takes_accounts else TABLES)
        migrated = scratch.bring_forward()
        # Asked anew: somebody may have been locked out since the plan was made.
        told = changes(*scratch.rolls()) if plan.takes_accounts else None
        left_out = scratch.take_place(plan.tables, actor=actor, name=plan.backup.name, accounts=told)
    return Restored(saved=None, migrated=migrated, left_out=left_out, changes=told)
