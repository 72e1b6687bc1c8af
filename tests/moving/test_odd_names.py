"""Backups of databases whose names and passwords are made of what has a meaning to some tool."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from tests.process.cli import Console
from tests.servers import Server

pytestmark = pytest.mark.slow

NAMES = {
    "mariadb": ("cr`on 'x\" y%s", "-rf", "--all-databases"),
    "postgresql": ("cr\"on 'x` y%s", "-rf", "dbname=postgres host=elsewhere"),
}
PASSWORD = "can'ary\"\\#;:\nand more%41"


def made(kind: str, server: Server, name: str) -> str:
    """Make a database of this name and an account with the password; return the URL."""
    mark = "`" if kind == "mariadb" else '"'
    server.run_sql(f"DROP DATABASE IF EXISTS {mark}{name.replace(mark, mark * 2)}{mark}")
    server.run_sql(f"CREATE DATABASE {mark}{name.replace(mark, mark * 2)}{mark}")
    # What libpq reads passwords from knows no line breaks.
    password = PASSWORD if kind == "mariadb" else PASSWORD.replace("\n", "")
    word = password.replace("\\", "\\\\") if kind == "mariadb" else password
    word = word.replace("'", "''")
    account = (
        f"CREATE OR REPLACE USER odd@localhost IDENTIFIED BY '{word}'; GRANT ALL ON *.* TO odd@localhost"
        if kind == "mariadb"
        else f"""DO $$ BEGIN CREATE ROLE odd LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            ALTER ROLE odd PASSWORD '{word}'"""
    )
    server.run_sql(account)
    login = f"odd:{quote(password, safe='')}@"
    url = server.url("NAME").replace("root@", login).replace("postgres@", login)
    return url.replace("/NAME", "/" + quote(name, safe=""))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_a_database_is_backed_up_and_restored_whatever_it_is_called(
    kind: str, name: str, console: Console, request: pytest.FixtureRequest
) -> None:
    settings = console.home / "smart-cron.toml"
    settings.write_text(f"[database]\nurl = {json.dumps(made(kind, request.getfixturevalue(kind), name))}\n")
    settings.chmod(0o640)
    console.sure("init")

    console.sure("backup", "create")
    done = console.call("backup", "restore", "latest.sql.gz", "--yes")

    assert done.returncode == 0, done.stderr
    assert {each["status"] for each in json.loads(console.sure("backup", "list", "--json"))} == {"verified"}
    assert b"and more" not in done.stdout + done.stderr
