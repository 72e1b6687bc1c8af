from __future__ import annotations

from dataclasses import replace

import pytest

from smart_cron.core.people import Person, Role
from smart_cron.core.task import TaskDefinition
from smart_cron.core.task_rights import ADMINS_ALONE, Bar, bars

TASK = TaskDefinition(name="backup", schedule="0 2 * * *", script="/opt/backup", group="office")
CHANGES = {"shell_command": "id", "stdin_text": "id", "run_as": "root", "environment": {"A": "b"}}


def person(role: Role, *groups: str) -> Person:
    return Person(id=1, name="ada", role=role, groups=frozenset(groups) or None)


@pytest.mark.parametrize("field", ADMINS_ALONE)
def test_what_decides_what_runs_as_whom_is_an_admins(field: str) -> None:
    after = replace(TASK, **{field: CHANGES[field]})

    for before in (TASK, None):
        assert list(bars(person(Role.EDITOR), after, before)) == [(Bar.FIELD, field)]
        assert list(bars(person(Role.ADMIN), after, before)) == []


def test_whatever_is_around_a_shell_command_is_an_admins() -> None:
    shell = replace(TASK, script=None, shell_command="./deploy.sh")

    assert list(bars(person(Role.EDITOR), replace(shell, working_directory="/tmp"), shell)) == [(Bar.SHELL, "")]
    assert list(bars(person(Role.EDITOR), shell, shell)) == []
    assert list(bars(person(Role.ADMIN), replace(shell, working_directory="/tmp"), shell)) == []


@pytest.mark.parametrize(("comes_from", "goes_to", "may"), [
    ("office", "office", True), ("office", "shop", False), ("shop", "office", False), (None, "office", False),
])  # fmt: skip
def test_a_task_stays_within_the_groups_of_whoever_changes_it(
    comes_from: str | None, goes_to: str, *, may: bool
) -> None:
    before, after = replace(TASK, group=comes_from), replace(TASK, group=goes_to)

    assert list(bars(person(Role.ADMIN, "office"), after, before)) == ([] if may else [(Bar.GROUP, "group")])
