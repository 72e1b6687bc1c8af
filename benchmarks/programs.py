"""The small programs of the benchmarks, compiled where a compiler exists, else shell scripts that do the same."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parent / "programs"
TRUE = Path("/bin/true")
CHATTER_SCRIPT = """\
#!/bin/sh
echo 'stock of 42 articles synchronised'
echo '2 articles have no price' >&2
"""
STAMP_SCRIPT = """\
#!/bin/sh
echo "$SMART_CRON_TASK $(date +%s%N)" >>"$1"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the programs are; `raw` is None where there is no compiler."""

    raw: Path | None
    chatter: Path
    stamp: Path

    @property
    def note(self) -> str:
        """What a reader of the figures must know of these programs, or empty."""
        return "" if self.raw else "no C compiler here: no raw loop, hence no ratios, and tasks are shell scripts"


def build_programs(folder: Path) -> Programs:
    """Make the programs in *folder*, which nobody else may write: the product refuses others' scripts."""
    folder.mkdir(mode=0o755)
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return Programs(
            raw=None,
            chatter=_script(folder / "chatter", CHATTER_SCRIPT),
            stamp=_script(folder / "stamp", STAMP_SCRIPT),
        )
    built = {name: _compiled(compiler, folder, name) for name in ("raw", "chatter", "stamp")}
    return Programs(raw=built["raw"], chatter=built["chatter"], stamp=built["stamp"])


def _compiled(compiler: str, folder: Path, name: str) -> Path:
    program = folder / name
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCES / f"{name}.c")], check=True)
    program.chmod(0o755)
    return program


def _script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path
