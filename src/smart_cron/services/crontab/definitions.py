"""From crontab lines to task definitions that run them as cron did."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Final

from smart_cron.core.task import TaskDefinition
from smart_cron.services.crontab.lines import CrontabLine, CrontabReading

TIMEOUT: Final = timedelta(seconds=86_400)
"""cron knows no timeout at all: a day is long enough not to break a job that worked."""

_MAX_NAME: Final = 100
_MAX_SOURCE: Final = 200
_SHELL: Final = "/bin/sh"
_NOISE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=\S*")
_SEGMENT: Final = re.compile(r"&&|\|\||[;|\n]")
# A part of a command line that begins so says nothing of what the line is for.
_PREPARATION: Final = frozenset(["test", "[", "[[", "cd", "export", "set", "umask", "sleep", "fi", "done"])
# Words before the program or script that a part is about.
_PREFIXES: Final = frozenset(
    ["sudo", "nice", "ionice", "nohup", "time", "timeout", "env", "exec", "command", "chronic", "setsid", "flock"]
)
_INTERPRETERS: Final = frozenset(["sh", "bash", "dash", "php", "python", "python3", "perl", "ruby", "node"])
_SAYS_LITTLE: Final = _PREFIXES | _INTERPRETERS | {"if", "then", "do", "!", "{"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTask:
    """A job line and the task that it becomes. `is_new` is False where an earlier import made it already."""

    line: CrontabLine
    definition: TaskDefinition
    is_new: bool
    remarks: tuple[str, ...] = ()


def to_definitions(
    reading: CrontabReading,
    *,
    taken: Collection[str] = (),
    known: Mapping[str, str] | None = None,
    enabled: bool = False,
) -> list[ImportedTask]:
    """Return a task for each job of a reading, in order.

    *taken* are names in use, *known* the names of tasks by `origin` from earlier imports: a line with a known origin
    keeps its name and is not new, whatever was edited in the task since. An origin is the source, the user and the
    line's content (numbered where it comes more than once), so comments and other lines may move it freely.
    """
    known = known or {}
    used = set(taken)
    seen: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    tasks = []
    for line in reading.jobs:
        content = _content(line)
        seen[content] += 1
        origin = _origin(reading.source, content, seen[content])
        name = known.get(origin) or _free_name(_slug(line.command), used, numbers)
        used.add(name)
        tasks.append(_imported(line, name=name, origin=origin, enabled=enabled, is_new=origin not in known))
    return tasks


def _imported(line: CrontabLine, *, name: str, origin: str, enabled: bool, is_new: bool) -> ImportedTask:
    address, remarks = _address(line.mail_to)
    home = line.environment.get("HOME", "")
    definition = TaskDefinition(
        name=name,
        shell_command=_for_shell(line),
        stdin_text=line.stdin_text,
        schedule=line.schedule,
        time_zone=line.time_zone,
        description=_description(line),
        timeout=TIMEOUT,
        enabled=enabled,
        run_as=line.user,
        # cron starts a job in the HOME that the crontab sets.
        working_directory=home if home.startswith("/") else None,
        environment=dict(line.environment),
        keep_processes=line.schedule.lower() == "@reboot",
        alert_on_failure=line.mail_to != "",
        alert_email=address,
        origin=origin,
    )
    return ImportedTask(line=line, definition=definition, is_new=is_new, remarks=remarks)


def _for_shell(line: CrontabLine) -> str:
    """Return the command for `sh -c`; another SHELL of the crontab is started by it and gets the command whole."""
    shell = line.environment.get("SHELL", _SHELL)
    return line.command if shell == _SHELL else f"exec {shlex.quote(shell)} -c {shlex.quote(line.command)}"


def _description(line: CrontabLine) -> str:
    text = "".join(char if char.isprintable() else " " for char in line.command)
    return text if len(text) <= 500 else text[:499] + "…"


def _address(mail_to: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the one address that alerts go to. cron's MAILTO may also be a local user, or a list."""
    receivers = [part for part in re.split(r"[\s,]+", mail_to or "") if part]
    if not receivers:
        return None, ()
    address = receivers[0] if "@" in receivers[0] else f"{receivers[0]}@localhost"
    if not re.fullmatch(r"[^\s@,;<>]+@[^\s@,;<>]+", address) or len(address) > 255:
        return None, (f"MAILTO '{mail_to}' is no mail address; alerts are shown but not mailed.",)
    if len(receivers) > 1:
        return address, (f"MAILTO names {len(receivers)} receivers; alerts go to {address} alone.",)
    return address, ()


def _content(line: CrontabLine) -> str:
    return "\0".join((line.user or "", line.schedule, line.command, line.stdin_text or ""))


def _origin(source: str, content: str, occurrence: int) -> str:
    digest = hashlib.sha256(f"{source}\0{content}\0{occurrence}".encode()).hexdigest()[:20]
    return f"crontab:{source[-_MAX_SOURCE:]}#{digest}"


def _slug(command: str) -> str:
    """Return a name after the program or script that a command is about: `php /srv/shop/sync.php -q` is `sync`."""
    if folder := re.search(r"\brun-parts\b.*?/etc/([^\s;&|()]+)", command):
        return _plain(f"run-parts-{folder[1]}")
    for segment in _SEGMENT.split(command):
        if program := _program(segment):
            return _plain(program.rpartition(".")[0] or program)
    return "cron-job"


def _program(segment: str) -> str:
    """Return the file name of what a part of a command line starts, or "" for tests and the like."""
    words = [word for word in re.split(r"[\s()<>`'\"]+", segment) if word and not _ASSIGNMENT.fullmatch(word)]
    if not words or words[0] in _PREPARATION or words[:2] in (["if", "["], ["if", "test"]):
        return ""
    names = [PurePosixPath(word).name for word in words if "/" in word or not word.startswith(("-", "$"))]
    return next((name for name in names if name not in _SAYS_LITTLE and not name.isdigit()), "")


def _plain(name: str) -> str:
    return _NOISE.sub("-", name).strip("-_")[:_MAX_NAME] or "cron-job"


def _free_name(slug: str, used: Collection[str], numbers: Counter[str]) -> str:
    """Return the name or its next free number. *numbers* holds the last one tried: 10,000 alike must not count anew."""
    name = slug
    while name in used:
        numbers[slug] += 1
        suffix = f"-{numbers[slug] + 1}"
        name = slug[: _MAX_NAME - len(suffix)] + suffix
    return name
