"""SECURITY 36 and 39, in the folder of backups: what somebody lays there keeps nobody from it, and shows nothing."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smart_cron.config import load_config
from smart_cron.core.backup import BackupKind, BackupReason, BackupStatus, RefusedBackupError
from smart_cron.services.backup.keeper import Keeper
from smart_cron.services.backup.restoring import plan_restore
from smart_cron.store.backups.events import LONGEST_NAME, MOST_NAMED
from smart_cron.wiring import open_house, prepare
from smart_cron.wiring.backups import keeper_of


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    config = load_config({"SMART_CRON_HOME": str(tmp_path_factory.mktemp("home") / "h"), "SMART_CRON_TIME_ZONE": "UTC"})
    prepare(config)
    house = open_house(config)
    yield keeper_of(house)
    house.close()


def changed(**changes: Any) -> Callable[[dict[str, Any]], str]:
    return lambda document: json.dumps(document | changes)


BESIDE: dict[str, Callable[[dict[str, Any]], str]] = {
    "nested beyond reading": lambda _: "[" * 200_000,
    "a list": lambda _: "[1, 2]",
    "an instant without a zone": changed(created_at="2026-01-01T00:00:00"),
    "a size without end": lambda document: json.dumps(document | {"size_bytes": 7}).replace(": 7", ": 1e999"),
    "tables that are none": changed(tables=[1]),
    "a label that is no text": changed(label={"a": 1}),
    "an error that is no text": changed(error=["x"]),
}


@pytest.mark.parametrize("kind", sorted(BESIDE))
def test_a_document_that_is_none_leaves_its_file_to_speak_for_itself(kind: str, keeper: Keeper) -> None:
    good = keeper.create(BackupKind.CONFIG, BackupReason.MANUAL)
    theirs = keeper.folder.path / "theirs.sql.gz"
    theirs.write_bytes(Path(good.path).read_bytes())
    document = json.loads(Path(good.path + ".json").read_text()) | {"file": theirs.name}
    theirs.with_name("theirs.sql.gz.json").write_text(BESIDE[kind](document))

    (found,) = [backup for backup in keeper.everything() if backup.name == theirs.name]

    assert (found.status, found.reason, found.label) == (BackupStatus.UNVERIFIED, None, None)
    for backup in (found, good):
        keeper.folder.delete(backup)


@pytest.mark.parametrize("name", [".theirs.part", ".scratch-theirs", ".copy-theirs"])
def test_folders_and_links_with_names_of_what_is_swept_keep_no_backup_from_being_taken(
    name: str, keeper: Keeper, tmp_path: Path
) -> None:
    planted, kept = keeper.folder.path / name, tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("mine")
    for is_link in (False, True):
        planted.symlink_to(kept) if is_link else planted.mkdir()

        backup = keeper.create(BackupKind.CONFIG, BackupReason.MANUAL)

        assert backup.status is BackupStatus.VERIFIED
        assert (kept / "file").read_text() == "mine"
        keeper.folder.delete(backup)
        if planted.is_symlink():
            planted.unlink()
        elif planted.exists():
            planted.rmdir()


def test_a_folder_where_the_link_to_the_latest_is_made_is_told_in_words(keeper: Keeper) -> None:
    planted = keeper.folder.path / ".latest.sql.gz.part"
    with keeper.folder.alone():
        planted.mkdir()
        with pytest.raises(RefusedBackupError, match="cannot be written: Is a directory"):
            keeper.folder.point_at("backup.sql.gz")
    planted.rmdir()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../etc/passwd"])
def test_a_latest_that_leads_out_of_the_folder_is_not_followed(target: str, keeper: Keeper) -> None:
    latest = keeper.folder.path / "latest.sql.gz"
    latest.unlink(missing_ok=True)
    latest.symlink_to(target)

    with pytest.raises(Exception, match="there is no backup"):
        keeper.find("latest.sql.gz")
    latest.unlink()


def test_of_a_file_that_is_no_backup_nothing_is_shown(keeper: Keeper, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary of somebody")

    with pytest.raises(RefusedBackupError) as told:
        plan_restore(keeper, keeper.find(str(secret)))

    assert "not packed by gzip" in str(told.value)
    assert "b'ca" not in str(told.value)


def test_of_a_flood_of_names_that_are_not_ours_few_are_kept_and_none_whole_that_is_long(keeper: Keeper) -> None:
    good = keeper.create(BackupKind.CONFIG, BackupReason.MANUAL)
    flood = b"".join(b"CREATE TABLE t%d (x int);\n" % number for number in range(3 * MOST_NAMED))
    long = b"CREATE TABLE " + b"x" * 1_000_000 + b" (x int);\n"
    planted = keeper.folder.path / "flood.sql.gz"
    planted.write_bytes(gzip.compress(long + flood + gzip.decompress(Path(good.path).read_bytes())))

    foreign = plan_restore(keeper, keeper.find(planted.name)).contents.foreign

    assert len(foreign) == MOST_NAMED
    assert max(map(len, foreign)) == LONGEST_NAME
    os.unlink(planted)
