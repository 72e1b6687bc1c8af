"""Which backups are deleted, over all histories of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from smart_cron.core.backup import Backup, BackupKind, BackupReason, BackupStatus
from smart_cron.core.backup_retention import BackupRetention, to_prune

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
KEPT = BackupRetention()
ZONE = ZoneInfo("UTC")


@st.composite
def backups(draw: st.DrawFn) -> list[Backup]:
    hours = draw(st.lists(st.integers(0, 24 * 500), max_size=60, unique=True))
    return [
        Backup(
            name=f"{hour}.sql.gz",
            path=f"/b/{hour}.sql.gz",
            kind=draw(st.sampled_from(BackupKind)),
            reason=draw(st.sampled_from([*BackupReason, None])),
            status=draw(st.sampled_from(BackupStatus)),
            created_at=NOW - timedelta(hours=hour),
        )
        for hour in hours
    ]


def pruned(found: list[Backup], *, now: datetime = NOW) -> list[Backup]:
    return list(to_prune(found, retention=KEPT, now=now, zone=ZONE))


@given(backups())
def test_nothing_young_and_nothing_laid_there_by_hand_goes(found: list[Backup]) -> None:
    for backup in pruned(found):
        assert backup.is_ours
        assert NOW - backup.created_at > KEPT.daily


@given(backups())
def test_the_last_proven_one_of_each_kind_stays(found: list[Backup]) -> None:
    gone = pruned(found)

    for kind in BackupKind:
        proven = [backup for backup in found if backup.is_proven and backup.kind is kind]
        if proven:
            assert max(proven, key=lambda backup: backup.created_at) not in gone


@given(backups())
def test_each_week_and_each_month_keeps_its_first_proven_one_as_long_as_promised(found: list[Backup]) -> None:
    gone = pruned(found)
    proven = [backup for backup in found if backup.is_proven and backup.kind is BackupKind.FULL]

    for backup in proven:
        age, at = NOW - backup.created_at, backup.created_at
        older = [each for each in proven if each.created_at < at]
        is_first_of_week = all(each.created_at.isocalendar()[:2] != at.isocalendar()[:2] for each in older)
        is_first_of_month = all((each.created_at.year, each.created_at.month) != (at.year, at.month) for each in older)
        if (is_first_of_week and age <= KEPT.weekly) or (is_first_of_month and age <= KEPT.monthly):
            assert backup not in gone


@given(backups())
def test_what_is_older_than_a_year_goes_but_for_the_last_good_ones(found: list[Backup]) -> None:
    gone = pruned(found)
    old = [backup for backup in found if backup.is_ours and NOW - backup.created_at > KEPT.monthly]

    assert len([backup for backup in old if backup not in gone]) <= len(BackupKind)


@given(backups(), st.integers(0, 400))
def test_pruning_every_day_leaves_no_less_than_pruning_once(found: list[Backup], days: int) -> None:
    """What was kept as a week's or a month's first one is that still, when others of its time are gone."""
    later = NOW + timedelta(days=days)
    at_once = [backup.name for backup in found if backup not in pruned(found, now=later)]

    left = [backup for backup in found if backup not in pruned(found)]
    in_two = [backup.name for backup in left if backup not in pruned(left, now=later)]

    assert set(at_once) == set(in_two)
