"""SECURITY 39, as far as it goes for accounts: no file lets anybody in unasked, or with half of what they need."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.cli import Console

pytestmark = pytest.mark.slow
PASSWORD = "correct horse battery\n"


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = home_of(tmp_path / "home", "ada")
    try:
        yield console
    finally:
        console.close()


def home_of(folder: Path, admin: str) -> Console:
    console = Console(folder)
    console.sure("init")
    console.sure_with(PASSWORD, "user", "add", admin, "--role", "admin")
    return console


def sql(console: Console, text: str) -> None:
    with closing(sqlite3.connect(console.home / "state" / "smart-cron.db")) as live, live:
        live.execute(text)


def taken(console: Console) -> str:
    return str(json.loads(console.sure("backup", "create", "--json"))["path"])


def names(console: Console) -> list[str]:
    return [user["name"] for user in json.loads(console.sure("user", "list", "--json"))]


def test_a_file_that_somebody_planted_makes_nobody_an_admin(console: Console, tmp_path: Path) -> None:
    theirs = home_of(tmp_path / "theirs", "mallory")
    shutil.copy(taken(theirs), console.home / "backups" / "backup-20300101-000000.sql.gz")
    theirs.close()

    told = console.sure("backup", "restore", "backup-20300101-000000.sql.gz", "--yes")

    assert b"Users and API keys stay as they are here" in told
    assert names(console) == ["ada"]
    looked = console.sure("backup", "restore", "backup-20300101-000000.sql.gz", "--dry-run", "--with-accounts")
    assert b"user 'mallory' comes back, as admin." in looked
    assert b"user 'ada' is gone: the backup does not know them." in looked


def test_a_key_of_nobody_is_refused_and_everything_stays(console: Console) -> None:
    sql(
        console,
        "INSERT INTO smart_cron_api_keys (user_id, label, prefix, key_hash, role, created_at)"
        " VALUES (99, 'planted', '00000000', 'x', 'admin', '2026-01-01 00:00:00.000000')",
    )
    path = taken(console)
    sql(console, "DELETE FROM smart_cron_api_keys")
    console.add("later", "true")

    refused = console.call("backup", "restore", path, "--yes", "--with-accounts")

    assert refused.returncode == 1
    assert b"a row of smart_cron_api_keys is of number 99, which smart_cron_users does not hold" in refused.stderr
    assert "later" in {task["task_name"] for task in json.loads(console.sure("task", "list", "--json"))}
    assert names(console) == ["ada"]
