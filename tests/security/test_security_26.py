"""SECURITY 26: a path and its arguments are one argv, whatever is in them; no shell ever reads them."""

from __future__ import annotations

import os

import pytest
from tests.process.conftest import Node, _test_leaves_nothing_running, make_node, node
from tests.web.conftest import Dashboard, dashboard
from tests.web.furniture import opened
from tests.web.task_forms import add_by_form, script
from tests.web.visitors import Visitor, add_users

__all__ = ["_test_leaves_nothing_running", "dashboard", "make_node", "node"]
ODD = ("na me.sh", "quo'te\".sh", "semi;colon.sh", "$(touch x).sh", "`id`.sh", "-rf.sh", "per%cent*.sh", "a&b|c.sh")


def test_arguments_arrive_as_they_are_without_a_shell(node: Node) -> None:
    script = node.script('#!/bin/sh\nprintf "%s\\0" "$@"\n', name="na me;$(touch x)'\"\n-rf")
    arguments = ["two words", "$(id)", "`id`", ";id", "a\nb", "-rf", "", "*", "\udcff"]

    printed = node.output(script=str(script), arguments=arguments)

    assert printed == b"".join(os.fsencode(a) + b"\0" for a in arguments)


@pytest.fixture(scope="module")
def admin(dashboard: Dashboard) -> Visitor:
    add_users(dashboard, ["admin"])
    visitor = Visitor(dashboard)
    visitor.log_in("admin")
    return visitor


@pytest.mark.slow
@pytest.mark.parametrize(("place", "name"), list(enumerate(ODD)))
def test_a_script_of_an_odd_name_is_saved_by_the_form_and_run_as_it_is(admin: Visitor, place: int, name: str) -> None:
    path = script(admin.dashboard, name, '#!/bin/sh\nprintf "%s|" "$0" "$@"\n')
    assert add_by_form(admin, f"odd{place}", path, arguments="$(id)\n; id\n*") == 302

    done = admin.dashboard.house.call("task", "run", f"odd{place}", "--wait")

    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"{path}|$(id)|; id|*|"
    assert not list(admin.dashboard.house.home.rglob("x"))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/bin/true\n/bin/false", "/bin/true\x00", "/bin/true; id", "-rf", "bin/true"])
def test_what_is_no_path_of_a_file_is_refused_on_the_form(admin: Visitor, path: str) -> None:
    assert add_by_form(admin, "refused", path) in (200, 400)
    with opened(admin.dashboard) as store:
        assert "refused" not in [task.definition.name for task in store.tasks.list()]


@pytest.mark.slow
def test_a_command_for_a_shell_is_taken_from_admins_alone(dashboard: Dashboard) -> None:
    add_users(dashboard, ["editor"])
    editor = Visitor(dashboard)
    editor.log_in("editor")

    assert add_by_form(editor, "shelled", "", shell_command="id") in (200, 400, 403)
    with opened(dashboard) as store:
        assert "shelled" not in [task.definition.name for task in store.tasks.list()]
