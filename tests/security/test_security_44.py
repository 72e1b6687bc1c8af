"""SECURITY 44: what we depend on is pinned, each file by its sum."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+?)(?: ;[^\\]*)?\s*\\$")


def pins(name: str) -> dict[str, tuple[str, int]]:
    """Return each package of a lock file with its version and how many sums stand below it."""
    found: dict[str, tuple[str, int]] = {}
    current = ""
    for line in (ROOT / name).read_text().splitlines():
        if begun := PIN.match(line):
            current = plain(begun[1])
            found[current] = (begun[2], 0)
        elif "--hash=sha256:" in line:
            version, sums = found[current]
            found[current] = (version, sums + 1)
        else:
            assert not line or line.lstrip().startswith("#"), f"{name}: {line}"
    return found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_pinned_and_has_its_sums(name: str) -> None:
    found = pins(name)

    assert len(found) > 30
    assert [package for package, (_, sums) in found.items() if not sums] == []


def test_everything_that_the_project_names_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {plain(re.split(r"[\[<>=!~; ]", each)[0]) for each in project["dependencies"]}

    assert named <= set(pins("requirements.lock"))


def test_both_locks_say_the_same() -> None:
    product, development = pins("requirements.lock"), pins("requirements-dev.lock")

    assert {name: development.get(name) for name in product} == product


def test_every_file_that_a_browser_gets_is_pinned_too() -> None:
    packages = json.loads((ROOT / "assets" / "package-lock.json").read_text())["packages"]

    files = {name: each for name, each in packages.items() if name}
    assert files
    assert [name for name, each in files.items() if not each.get("integrity", "").startswith("sha512-")] == []
