"""The commands on backups, and what they say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smart_cron.config import load_config
from smart_cron.core.backup import BackupKind, BackupReason, file_name
from smart_cron.wiring import House, open_house

from .conftest import Call, Result

Add = Callable[..., Result]


@pytest.fixture
def made(call: Call, add: Add, home: Path) -> dict[str, Any]:
    """A backup of a home with one task in it."""
    assert home.is_dir()
    add("report")
    result = call("backup", "create", "--label", "it's \x1b[31m", "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = result.document
    return document


def test_a_backup_is_listed_with_what_is_known_of_it(call: Call, made: dict[str, Any], home: Path) -> None:
    (home / "backups" / "by-hand.sql.gz").write_bytes(b"")
    (home / "backups" / "notes.txt").write_text("no backup")

    listed = call("backup", "list")

    assert made["file"] in listed.out
    assert "it's \\x1b[31m" in listed.out
    assert [line.split()[0] for line in listed.out.splitlines()[1:]].count("by-hand.sql.gz") == 1
    assert "notes.txt" not in listed.out
    assert {each["status"] for each in call("backup", "list", "--json").document} == {"verified", "unverified"}


def test_a_restore_says_what_it_would_replace_and_does_nothing(call: Call, made: dict[str, Any], add: Add) -> None:
    add("later")

    looked = call("backup", "restore", made["file"], "--dry-run")

    assert looked.code == 0
    assert f"Would replace by {made['file']}:" in looked.out
    assert "smart_cron_tasks_config: 1 row\n" in looked.out
    assert "later" in call("task", "list").out


def test_a_restore_brings_the_task_back_and_saves_what_was_there(
    call: Call, made: dict[str, Any], add: Add, home: Path
) -> None:
    add("later")

    done = call("backup", "restore", "latest.sql.gz", "--yes")

    assert done.code == 0, done.err
    names = {task["task_name"] for task in call("task", "list", "--json").document}
    assert names == {"report"}
    (saved,) = [each for each in call("backup", "list", "--json").document if each["reason"] == "restore"]
    assert saved["path"] in done.out
    assert saved["tables"]["smart_cron_tasks_config"]["rows"] == 2
    assert (home / "backups" / "latest.sql.gz").readlink() == Path(made["file"])
    # Nothing holds starts any more: the time since the backup is settled.
    assert "nothing holds starts back" in call("recover", "--dry-run").out


def test_recover_restores_first_and_then_settles(call: Call, made: dict[str, Any], add: Add, home: Path) -> None:
    add("later")

    looked = call("recover", "--from", made["file"], "--dry-run", "--json").document

    assert looked[0]["step"] == "Backup"
    assert looked[0]["found"].startswith(f"{made['file']} holds ")
    assert looked[0]["done"] is None
    assert "later" in call("task", "list").out


def test_a_table_that_is_not_ours_and_wrong_calls_are_told(call: Call, made: dict[str, Any]) -> None:
    foreign = call("backup", "restore", made["file"], "--table", "django_migrations; DROP", "--yes")
    both = call("backup", "restore", made["file"], "--table", "smart_cron_alerts", "--config-only", "--yes")
    unasked = call("backup", "restore", made["file"])

    assert [foreign.code, both.code, unasked.code] == [2, 2, 2]
    assert "is no table of ours; they are smart_cron_tasks_config" in foreign.err
    assert "--yes" in unasked.err


def test_a_backup_that_is_not_there_or_without_the_table_is_told(call: Call, made: dict[str, Any]) -> None:
    config = call("backup", "create", "--config-only", "--json").document["file"]

    unknown = call("backup", "verify", "nothing.sql.gz")
    without = call("backup", "restore", config, "--table", "smart_cron_alerts", "--yes")

    assert (unknown.code, without.code) == (1, 1)
    assert "there is no backup 'nothing.sql.gz'" in unknown.err
    assert "does not hold smart_cron_alerts" in without.err


def test_a_dump_of_another_kind_of_database_is_refused(call: Call, made: dict[str, Any], home: Path) -> None:
    path = home / "backups" / f"{made['file']}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"database": "mysql"}))

    done = call("backup", "restore", made["file"], "--yes")

    assert done.code == 1
    assert "is of another kind of database, mysql; this is sqlite" in done.err


def test_a_spoiled_backup_is_found_by_verify(call: Call, made: dict[str, Any]) -> None:
    path = Path(made["path"])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\n"))

    done = call("backup", "verify")

    assert done.code == 1
    assert "is damaged" in done.err
    assert call("backup", "list", "--json").document[-1]["status"] == "failed"


def test_old_backups_are_pruned_and_what_was_laid_there_by_hand_stays(
    call: Call, made: dict[str, Any], home: Path
) -> None:
    folder = home / "backups"
    old = datetime.now(UTC) - timedelta(days=40)
    name = file_name(BackupKind.FULL, BackupReason.DAILY, old)
    told = made | {"file": name, "reason": "daily", "created_at": old.isoformat(), "status": "failed"}
    for each in (name, "old-one-of-mine.sql.gz"):
        (folder / each).write_bytes(b"x")
    (folder / f"{name}.json").write_text(
        json.dumps({key: told[key] for key in told if key not in ("path", "is_there")})
    )

    looked = call("backup", "prune", "--dry-run")
    pruned = call("backup", "prune")

    assert looked.out == f"Would delete {name}.\n"
    assert pruned.out == f"Deleted {name}.\n"
    assert not list(folder.glob(f"{name}*"))
    assert (folder / "old-one-of-mine.sql.gz").exists()
    assert call("backup", "prune").out == "No backup is old enough.\n"


def test_two_at_once_are_kept_apart(call: Call, made: dict[str, Any], house: House) -> None:
    from smart_cron.wiring.backups import keeper_of

    with keeper_of(house).folder.alone():
        done = call("backup", "create")

    assert done.code == 1
    assert "another backup, or a restore, is at work here" in done.err
    assert made["status"] == "verified"


def test_a_damaged_database_is_moved_away_and_restored(call: Call, made: dict[str, Any], home: Path) -> None:
    file = home / "state" / "smart-cron.db"
    for path in (home / "state").glob("smart-cron.db*"):
        path.unlink()
    file.write_bytes(b"this is no database at all, but somebody's notes" * 100)

    damaged = call("backup", "restore", "latest.sql.gz", "--yes")
    file.unlink()
    done = call("backup", "restore", "latest.sql.gz", "--yes")

    assert damaged.code == 1
    assert f"move it away (mv {file}*" in damaged.err
    assert done.code == 0, done.err
    assert [task["task_name"] for task in call("task", "list", "--json").document] == ["report"]
    assert made["status"] == "verified"


def test_tables_are_saved_before_a_migration(call: Call, home: Path) -> None:
    from smart_cron.store.schema import make_tables

    for path in (home / "state").glob("smart-cron.db*"):
        path.unlink()
    house = open_house(load_config(), check_schema=False)
    make_tables(house.store.session, ["0001_initial"])
    house.close()

    done = call("db", "migrate")

    assert done.code == 0, done.err
    assert "saved the tables as they were: " in done.out
    (saved,) = call("backup", "list", "--json").document
    assert (saved["reason"], saved["status"], saved["migrations"]) == ("migration", "verified", ["0001_initial"])
    assert call("db", "migrate").out == "The tables were up to date already.\n"
