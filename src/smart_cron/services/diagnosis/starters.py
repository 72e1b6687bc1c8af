"""What is installed on this machine that starts Smart Cron: lines of crontabs and units of systemd. Only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart import NO_CRONTAB, installed_units, read_crontab_of, systemd_is_at_work
from smart_cron.services.diagnosis.facts import Starters

SYSTEM_CRONTABS = (Path("/etc/crontab"), Path("/etc/cron.d"))
HOME = "SMART_CRON_HOME="


def look_for_starters(*, owner: str, home: Path | None) -> Starters:
    """Return what starts the master of this home; *home* is None where the settings for everyone rule."""
    units = [path.name for path in installed_units() if _is_for(_text(path), home)]
    unreadable, where = "", _system_crontab(home)
    if not where:
        try:
            where = f"the crontab of {owner}" if _has_line(_crontab_of(owner), home) else ""
        except SmartCronError as error:
            unreadable = error.message
    return Starters(crontab=where, units=units, systemd=systemd_is_at_work(), unreadable=unreadable)


def _crontab_of(owner: str) -> str:
    content = read_crontab_of(owner)
    return "" if content is NO_CRONTAB else content.decode("utf-8", "replace")


def _system_crontab(home: Path | None) -> str:
    return next((str(path) for path in _system_files() if _has_line(_text(path), home)), "")


def _system_files() -> Iterator[Path]:
    for path in SYSTEM_CRONTABS:
        yield from sorted(path.iterdir()) if path.is_dir() else [path]


def _has_line(crontab: str, home: Path | None) -> bool:
    lines = (line.strip() for line in crontab.splitlines())
    ours = [line for line in lines if not line.startswith("#") and "smart" in line and " master" in line]
    # A home may be named in a line, or for all lines before them.
    return any(_is_for(f"{line}\n{_set_before(crontab)}", home) for line in ours)


def _set_before(crontab: str) -> str:
    return "\n".join(line for line in crontab.splitlines() if line.strip().startswith(HOME))


def _is_for(text: str, home: Path | None) -> bool:
    return HOME not in text if home is None else str(home) in text


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return ""
