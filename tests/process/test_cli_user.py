"""`smart-cron user`: who may log in, on the console."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.process.cli import Console

pytestmark = pytest.mark.slow
PASSWORD = "correct horse battery\n"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    found = Console(tmp_path_factory.mktemp("home"))
    try:
        found.sure("init")
        found.sure_with(PASSWORD, "user", "add", "root-admin", "--role", "admin")
        yield found
    finally:
        found.close()


def users(console: Console) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(console.sure("user", "list", "--json"))}


def audited(console: Console, name: str) -> list[str]:
    rows = json.loads(console.sure("audit", "list", "--json", "--limit", "100"))
    return [row["action"] for row in rows if row["entity_type"] == "user" and row["entity_name"] == name]


def test_users_are_added_changed_and_audited(console: Console) -> None:
    console.sure_with(PASSWORD, "user", "add", "ada", "--role", "operator", "--group", "imports", "--second-factor")
    ada = users(console)["ada"]
    assert (ada["role"], ada["groups"], ada["needs_second_factor"], ada["is_active"]) == (
        "operator", ["imports"], True, True,
    )  # fmt: skip

    console.sure("user", "role", "ada", "editor")
    console.sure("user", "groups", "ada", "imports", "")
    console.sure("user", "disable", "ada")
    ada = users(console)["ada"]
    assert (ada["role"], ada["groups"], ada["is_active"]) == ("editor", ["", "imports"], False)

    console.sure("user", "enable", "ada")
    console.sure("user", "groups", "ada", "--all")
    console.sure_with("another long password\n", "user", "passwd", "ada")
    console.sure("user", "reset-mfa", "ada")
    assert users(console)["ada"]["groups"] is None
    assert audited(console, "ada") == [
        "reset second factor", "set password", "set groups", "enable", "disable", "set groups", "set role", "create",
    ]  # fmt: skip


def test_the_last_admin_stays(console: Console) -> None:
    for words in (("disable", "root-admin"), ("role", "root-admin", "viewer")):
        done = console.call("user", *words)

        assert done.returncode == 1
        assert b"is the only admin who may log in. Make another one first" in done.stderr
    assert users(console)["root-admin"]["is_active"]


def test_a_dry_run_says_what_would_be_and_refuses_what_would_be_refused(console: Console) -> None:
    before = users(console)

    assert b"Nothing was done." in console.sure_with(PASSWORD, "user", "add", "eve", "--dry-run")
    assert b"Nothing was done." in console.sure("user", "groups", "root-admin", "--all", "--dry-run")
    assert console.call("user", "disable", "root-admin", "--dry-run").returncode == 1
    assert users(console) == before


@pytest.mark.parametrize(
    ("typed", "words", "said"),
    [
        ("short\n", ("add", "bob"), "too short"),
        ("q1w2e3r4t5y6\n", ("add", "bob"), "too common"),
        ("\n", ("add", "bob"), "too short"),
        (PASSWORD, ("add", "a b"), "no name for a user"),
        (PASSWORD, ("add", "root-admin"), "already"),
        (PASSWORD, ("passwd", "nobody"), "there is no user 'nobody'"),
        ("", ("role", "nobody", "admin"), "there is no user 'nobody'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(console: Console, typed: str, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        console.sure_with(typed, "user", *words)
