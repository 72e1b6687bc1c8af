"""`smart-cron doctor` while the database does not serve: real servers, stopped, frozen, or asked wrongly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli import Console
from tests.servers import MariaDb, PostgreSql

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    with MariaDb() as server:
        server.run_sql("CREATE USER app@localhost IDENTIFIED BY 'right'; GRANT ALL ON doctor.* TO app@localhost")
        yield server


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    console = Console(tmp_path / "home")
    try:
        console.sure("init")
        yield console
    finally:
        console.close()


def examined(console: Console, url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what doctor says of this database, and its finding about it."""
    # An hour: were it waited for, the call would outlast every deadline of these tests.
    (console.home / "smart-cron.toml").write_text(f'[database]\nurl = "{url}"\ntimeout_seconds = 3600\n')
    done = console.call("doctor", "--json")
    document: dict[str, Any] = json.loads(done.stdout)
    found = next(each for each in document["findings"] if each["subject"] == "database")
    assert done.returncode == (0 if document["sound"] else 1)
    assert b"wrong-secret" not in done.stdout + done.stderr
    return document, found


def of_app(server: MariaDb, password: str, name: str = "doctor") -> str:
    return server.url(name).replace("root@", f"app:{password}@")


def test_case_4_each_way_of_not_serving_has_its_own_remedy(console: Console, mariadb: MariaDb) -> None:
    _, refused = examined(console, of_app(mariadb, "wrong-secret"))
    _, unknown = examined(console, mariadb.url("nowhere"))

    assert "refuses user or password" in refused["sentence"]
    assert "mariadb -h localhost -u app -p doctor" in refused["remedy"]
    assert "has no such database" in unknown["sentence"]
    assert "CREATE DATABASE `nowhere`" in unknown["remedy"]


def test_case_4_tables_that_are_missing_are_told(console: Console, mariadb: MariaDb) -> None:
    mariadb.run_sql("CREATE DATABASE IF NOT EXISTS doctor")

    _, found = examined(console, mariadb.url("doctor"))

    assert found["remedy"] == "Run 'smart-cron db migrate'."


def test_case_4_a_server_of_its_own_disk_tells_all_that_a_file_does(console: Console, mariadb: MariaDb) -> None:
    (console.home / "smart-cron.toml").write_text(f'[database]\nurl = "{mariadb.create_database("whole")}"\n')
    console.sure("db", "migrate")
    console.add("nightly", "true")
    mariadb.run_sql("UPDATE smart_cron_tasks_config SET is_running = 1 WHERE task_name = 'nightly'", "whole")

    document, found = examined(console, mariadb.url("whole"))
    healed = console.call("doctor", "--fix", "--yes")

    assert (found["verdict"], document["cases"]) == ("ok", ["Tasks not running", "Stuck in running"])
    assert b"Healed the mark of 1 task." in healed.stderr


def test_case_4_a_stopped_server_leaves_what_is_seen_from_outside(console: Console) -> None:
    with MariaDb() as server:
        url = server.create_database("doctor")
    # Its folder is gone with it: nothing listens there any more.
    document, found = examined(console, url)

    assert (found["case"], document["cases"]) == ("Database connection", ["Database connection"])
    assert "no server listens there" in found["sentence"]
    has_systemd = Path("/run/systemd/system").is_dir()
    start = "systemctl start mariadb" if has_systemd else "service mariadb start"
    assert document["remedies"][0]["remedy"] == f"Start it: {start}"
    told = {each["subject"]: each["verdict"] for each in document["findings"]}
    assert (told["log"], told["runs"], told["master"]) == ("ok", "ok", "note")


@pytest.mark.parametrize("kind", [MariaDb, PostgreSql])
def test_a_frozen_server_is_given_up_soon(console: Console, kind: type[MariaDb | PostgreSql]) -> None:
    with kind() as server:
        url = server.create_database("doctor")
        server.freeze()
        try:
            document, found = examined(console, url)
        finally:
            server.thaw()

    assert document["cases"] == ["Database connection"]
    assert "does not answer" in found["sentence"] or "hangs" in found["sentence"]
