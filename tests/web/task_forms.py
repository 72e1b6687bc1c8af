"""What a browser sends for a task's form, and scripts that a task may run."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from tests.web.conftest import Dashboard
from tests.web.visitors import Visitor

BY_ADMIN = {"shell_command", "stdin_text", "run_as", "environment"}
_INPUT = re.compile(r"<input\b[^>]*>|<select\b.*?</select>|<textarea\b.*?</textarea>", re.DOTALL)


def script(dashboard: Dashboard, name: str = "job.sh", text: str = "#!/bin/sh\necho done\n") -> str:
    """Return the path of a script that only its owner may write."""
    folder = dashboard.house.home / "jobs"
    folder.mkdir(mode=0o755, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def form_of(visitor: Visitor, path: str) -> dict[str, str]:
    """Return the fields of the page's form as a browser would send them, untouched."""
    answer = visitor.get(path)
    assert answer.status == 200, answer.status
    return fields_in(answer.body.decode())


def fields_in(page: str) -> dict[str, str]:
    """Return the fields of the task's form in a page."""
    form = re.search(r"<form[^>]*data-task-form.*?</form>", page, re.DOTALL)
    assert form
    found: dict[str, str] = {}
    for tag in _INPUT.findall(form[0]):
        name = re.search(r'\bname="([^"]+)"', tag)
        if name is None or " disabled" in tag.split(">")[0] or name[1] == "csrfmiddlewaretoken":
            continue
        value = _value(tag)
        if value is not None:
            found[name[1]] = value
    return found


def _value(tag: str) -> str | None:
    if tag.startswith("<textarea"):
        inner = tag[tag.index(">") + 1 : tag.rindex("</textarea>")]
        return unescape(inner.removeprefix("\n"))
    if tag.startswith("<select"):
        chosen = re.search(r'value="([^"]*)" selected', tag)
        return unescape(chosen[1]) if chosen else ""
    if 'type="checkbox"' in tag and " checked" not in tag:
        return None
    value = re.search(r'\bvalue="([^"]*)"', tag)
    return unescape(value[1]) if value else ""


def add_by_form(visitor: Visitor, name: str, path: Path | str, **changes: str) -> int:
    """Fill in the form of a new task and send it; return the status of the answer."""
    fields = form_of(visitor, "/tasks/new")
    return visitor.post(
        "/tasks/new", **{**fields, "name": name, "script": str(path), "schedule": "0 3 * * *", **changes}
    ).status
