"""Two real accounts on each server: the one that runs can do everything but make tables and rewrite the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest
from tests.process.cli import Console
from tests.servers import Server

from smart_cron.core.errors import DatabaseError
from smart_cron.store.gateway import Store
from smart_cron.store.grants import grants

pytestmark = pytest.mark.slow

# Stands in the statements where a password is to be put.
PLACE, PASSWORD = "'…'", "canary-2"


def as_account(url: str, name: str) -> str:
    return url.replace("root@", f"{name}:{PASSWORD}@").replace("postgres@", f"{name}:{PASSWORD}@")


def run(server: Server, statements: Iterable[str]) -> None:
    server.run_sql("\n".join(statements).replace(PLACE, f"'{PASSWORD}'"), "two_accounts")


def restored_by_the_keeper(console: Console) -> None:
    """Dump, prove, restore and go on: by an account that could do none of it, beside one that can."""
    console.sure("backup", "create")
    console.sure("backup", "verify", "latest.sql.gz", "--drill")
    console.sure("task", "add", "later", "--command", "echo later", "--schedule", "0 0 1 1 *")
    console.sure("backup", "restore", "latest.sql.gz", "--yes")
    console.sure("recover", "--yes")

    names = {task["task_name"] for task in json.loads(console.sure("task", "list", "--json"))}
    assert "hello" in names
    assert "later" not in names
    assert {each["status"] for each in json.loads(console.sure("backup", "list", "--json"))} == {"verified"}
    console.sure("task", "run", "hello", "--wait")


def people_are_let_in(server: Server, console: Console) -> None:
    """The tables of logins are made with the first user, so their rights are printed after that."""
    assert console.call("user", "list").returncode
    printed = console.sure("db", "grants").decode().splitlines()
    run(server, (line for line in printed if line.startswith("GRANT") and "keeper" not in line))

    console.sure_with("correct horse battery\n", "user", "add", "admin", "--role", "admin")
    assert [user["name"] for user in json.loads(console.sure("user", "list", "--json"))] == ["admin"]


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_the_printed_statements_are_enough_to_run_and_not_more(
    kind: str,
    request: pytest.FixtureRequest,
    console: Console,
    empty_database: Callable[[str, str], str],
    opened: Callable[[str], Store],
) -> None:
    url = empty_database(kind, "two_accounts")
    server: Server = request.getfixturevalue(kind)
    before = grants(opened(url).session, runs="runner", migrates="keeper")
    run(server, (line for line in before if "keeper" in line))
    (console.home / "smart-cron.toml").write_text(
        f'[database]\nurl = "{as_account(url, "runner")}"\nmigrate_url = "{as_account(url, "keeper")}"\n'
    )
    (console.home / "smart-cron.toml").chmod(0o640)

    first = console.call("init")
    printed = [line for line in first.stdout.decode().splitlines() if line.startswith(("GRANT", "CREATE"))]
    run(server, (line for line in printed if "keeper" not in line))
    console.sure("init")
    console.sure("task", "add", "hello", "--command", "echo hello", "--schedule", "0 0 1 1 *")
    console.start_master()
    console.sure("task", "run", "hello", "--wait")
    console.sure("recover", "--yes")
    restored_by_the_keeper(console)
    people_are_let_in(server, console)
    runner = opened(as_account(url, "runner"))

    for statement in ("CREATE TABLE mine (id INT)", "UPDATE smart_cron_audit_log SET actor = 'nobody'"):
        with pytest.raises(DatabaseError, match="this account of the database may not do that") as told:
            runner.session.execute(statement)
        assert "db grants" in told.value.remedy
    with pytest.raises(DatabaseError, match="may not do that"):
        runner.session.execute("DELETE FROM smart_cron_audit_log")
    assert PASSWORD not in first.stdout.decode()
