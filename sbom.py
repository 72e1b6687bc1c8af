"""`python sbom.py`: what Smart Cron depends on, as a bill of materials (CycloneDX 1.5, JSON), from the two lock files.

Every Python package of `requirements.lock`, and every package of which the dashboard's files are built, each with its
version and the sums by which it is pinned. Needs nothing but Python.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+?)(?: ;[^\\]*)?\s*\\$")
SUM = re.compile(r"--hash=sha256:([0-9a-f]{64})")
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
Component = Mapping[str, object]


def plain(name: str) -> str:
    """Return a Python package's name as registries spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: Path) -> dict[str, tuple[str, list[str]]]:
    """Return each package of a lock file with its version and its sums. Raise ValueError for a line that is neither."""
    found: dict[str, tuple[str, list[str]]] = {}
    sums: list[str] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if begun := PIN.match(line):
            sums = []
            found[plain(begun[1])] = (begun[2], sums)
        elif told := SUM.search(line):
            sums.append(told[1])
        elif line and not line.lstrip().startswith("#"):
            raise ValueError(f"{lock.name}: {line}")
    return found


def components(root: Path = ROOT) -> Iterator[Component]:
    """Yield what the product is made of, by name: first what runs, then what browsers get."""
    for name, (version, sums) in sorted(pins(root / "requirements.lock").items()):
        yield _component(name, version, f"pkg:pypi/{name}@{version}", [("SHA-256", each) for each in sums])
    packages = json.loads((root / "assets" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for path, each in sorted(packages.items()):
        if path and not each.get("dev"):
            name, version = path.removeprefix("node_modules/"), each["version"]
            digest = base64.b64decode(each["integrity"].removeprefix("sha512-")).hex()
            yield _component(name, version, f"pkg:npm/{quote(name)}@{version}", [("SHA-512", digest)])


def _component(name: str, version: str, purl: str, sums: list[tuple[str, str]]) -> Component:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": kind, "content": value} for kind, value in sums],
    }


def document(root: Path = ROOT) -> Mapping[str, object]:
    """Return the whole bill of materials."""
    told = VERSION.search((root / "src" / "smart_cron" / "__init__.py").read_text(encoding="utf-8"))
    assert told is not None
    product = {"type": "application", "bom-ref": "smart-cron", "name": "smart-cron", "version": told[1]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": product},
        "components": list(components(root)),
    }


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
