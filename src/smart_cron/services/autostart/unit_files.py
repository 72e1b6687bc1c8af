"""Unit files on the disk: written whole or not at all, removed only where they carry our mark."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart.units import UNITS, is_ours

UNIT_FOLDER: Final = Path("/etc/systemd/system")
# sd_booted(3): this folder is there if and only if systemd is the first process.
BOOTED: Final = Path("/run/systemd/system")
PATIENCE_SECONDS: Final = 120


def systemd_is_at_work() -> bool:
    """Whether systemd is this machine's first process."""
    return BOOTED.is_dir()


def changed_units(texts: Mapping[str, str], folder: Path = UNIT_FOLDER) -> list[Path]:
    """Return the files that are missing or read otherwise. Raise SmartCronError for one that is not ours."""
    changed = []
    for name, text in texts.items():
        found = _read(folder / name)
        if found is not None and not is_ours(found):
            raise SmartCronError(
                f"{folder / name} is there and was not written by Smart Cron.",
                remedy="Look what it is for and move it away, then call this again.",
            )
        if found != text:
            changed.append(folder / name)
    return changed


def installed_units(folder: Path = UNIT_FOLDER) -> list[Path]:
    """Return the unit files of our names that carry our mark, the last to be started first."""
    return [folder / name for name in reversed(UNITS) if is_ours(_read(folder / name) or "")]


def write_unit(path: Path, text: str) -> None:
    """Write a unit file, whole or not at all, for everyone to read. Raise SmartCronError."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o644)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise SmartCronError(f"{path} cannot be written: {error.strerror}.", remedy="Call it as root.") from None


def remove_unit(path: Path) -> None:
    """Remove a unit file. Raise SmartCronError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SmartCronError(f"{path} cannot be removed: {error.strerror}.", remedy="Call it as root.") from None


def systemctl(*words: str) -> None:
    """Tell systemd something. Raise SmartCronError with its answer where it will not."""
    try:
        done = subprocess.run(
            ["systemctl", *words], capture_output=True, check=False, timeout=PATIENCE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SmartCronError(f"'systemctl {' '.join(words)}' does not work: {error}.") from None
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise SmartCronError(
            f"'systemctl {' '.join(words)}' failed: {said}", remedy="The unit files stay; mend it and call this again."
        )


def _read(path: Path) -> str | None:
    """Return a regular file's text, None where nothing stands there, "" for anything else (a masked unit is a link)."""
    try:
        # A fifo must not hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        return file.read()
