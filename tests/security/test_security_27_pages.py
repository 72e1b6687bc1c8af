"""SECURITY 27: a script outside the directories, writable by others, or no plain file, is refused when it is saved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.web.conftest import Dashboard, housed, served
from tests.web.task_forms import form_of, script
from tests.web.visitors import Visitor, add_users

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("home")
    with housed(folder, SCRIPT_DIRECTORIES=str(folder / "jobs")) as house:
        dashboard = served(house)
        add_users(dashboard, ["editor"])
        visitor = Visitor(dashboard)
        visitor.log_in("editor")
        yield visitor


def outside(dashboard: Dashboard) -> Path:
    path = dashboard.house.home / "elsewhere.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def linked(dashboard: Dashboard) -> Path:
    link = dashboard.house.home / "jobs" / "link.sh"
    link.unlink(missing_ok=True)
    link.symlink_to(outside(dashboard))
    return link


def writable(dashboard: Dashboard) -> Path:
    path = Path(script(dashboard, "open.sh"))
    path.chmod(0o777)
    return path


def setuid(dashboard: Dashboard) -> Path:
    path = Path(script(dashboard, "setuid.sh"))
    path.chmod(0o4755)
    return path


def fifo(dashboard: Dashboard) -> Path:
    path = dashboard.house.home / "jobs" / "fifo"
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o755)
    return path


def upwards(dashboard: Dashboard) -> Path:
    outside(dashboard)
    return Path(f"{dashboard.house.home}/jobs/../elsewhere.sh")


@pytest.mark.parametrize("make", [outside, linked, writable, setuid, fifo, upwards, lambda _: Path("/dev/null")])
def test_a_script_that_may_not_be_run_is_refused_on_its_field(
    editor: Visitor, make: Callable[[Dashboard], Path]
) -> None:
    script(editor.dashboard)
    fields = form_of(editor, "/tasks/new")
    answer = editor.post(
        "/tasks/new", **{**fields, "name": "odd", "schedule": "@daily", "script": str(make(editor.dashboard))}
    )

    assert answer.status == 400
    assert 'href="#f-script"' in answer.body.decode()
    assert editor.get("/tasks/odd").status == 404


def test_a_script_in_the_directories_is_taken(editor: Visitor) -> None:
    fields = form_of(editor, "/tasks/new")
    path = script(editor.dashboard, "good.sh")

    assert editor.post("/tasks/new", **{**fields, "name": "good", "schedule": "@daily", "script": path}).status == 302
