"""SECURITY 44: what we depend on is pinned, each file by its sum."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _bill() -> Any:
    """Return the module at the root, which no package holds."""
    told = importlib.util.spec_from_file_location("sbom", ROOT / "sbom.py")
    assert told is not None
    assert told.loader is not None
    module = importlib.util.module_from_spec(told)
    told.loader.exec_module(module)
    return module


BILL = _bill()
pins, plain = BILL.pins, BILL.plain


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_pinned_and_has_its_sums(name: str) -> None:
    found = pins(ROOT / name)

    assert len(found) > 30
    assert [package for package, (_, sums) in found.items() if not sums] == []


def test_everything_that_the_project_names_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {plain(re.split(r"[\[<>=!~; ]", each)[0]) for each in project["dependencies"]}

    assert named <= set(pins(ROOT / "requirements.lock"))


def test_both_locks_say_the_same() -> None:
    product, development = pins(ROOT / "requirements.lock"), pins(ROOT / "requirements-dev.lock")

    assert {name: development.get(name) for name in product} == product


def test_every_file_that_a_browser_gets_is_pinned_too() -> None:
    packages = json.loads((ROOT / "assets" / "package-lock.json").read_text())["packages"]

    files = {name: each for name, each in packages.items() if name}
    assert files
    assert [name for name, each in files.items() if not each.get("integrity", "").startswith("sha512-")] == []


def test_the_bill_of_materials_names_all_of_it() -> None:
    done = subprocess.run([sys.executable, ROOT / "sbom.py"], capture_output=True, check=True)
    told = json.loads(done.stdout)
    by_ref = {each["bom-ref"]: each for each in told["components"]}

    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    for name, (version, sums) in pins(ROOT / "requirements.lock").items():
        assert [each["content"] for each in by_ref[f"pkg:pypi/{name}@{version}"]["hashes"]] == sums
    assert any(ref.startswith("pkg:npm/chart.js@") for ref in by_ref)
    assert not any("axe-core" in ref for ref in by_ref), "what tests need is no part of the product"
    assert all(
        re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{128}", each["content"])
        for part in by_ref.values()
        for each in part["hashes"]
    )
