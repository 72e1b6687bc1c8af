"""From the bytes of a crontab to its lines. Nothing is lost: every line comes back, as what it is or why it is not."""

from __future__ import annotations

import pwd
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from smart_cron.core.errors import InvalidScheduleError
from smart_cron.core.schedule import Schedule
from smart_cron.services.crontab.environment import Setting, Surroundings, read_setting
from smart_cron.services.crontab.lines import CrontabLine, CrontabReading, LineKind
from smart_cron.services.crontab.percent import split_command

_BLANKS: Final = " \t"
_BOM: Final = b"\xef\xbb\xbf"
# Debian's MAX_COMMAND is 1000, its ending included.
_LONGEST_COMMAND_BYTES: Final = 998
_FIELDS: Final = re.compile(r"(?P<schedule>@[^ \t]*|(?:[^ \t]+[ \t]+){4}[^ \t]+)(?:[ \t]+(?P<rest>.*))?", re.DOTALL)
_NICKNAMES: Final = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def user_exists(name: str) -> bool:
    """Say whether this machine knows a user of this name."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def read_crontab(
    text: bytes,
    *,
    system: bool,
    source: str,
    user: str | None,
    is_user: Callable[[str], bool] = user_exists,
) -> CrontabReading:
    """Read a crontab; never raises for what is in it.

    *system* says that each job names its user, as in /etc/crontab and /etc/cron.d; else *user* is the owner of them
    all (None: whoever runs the import). *source* names the file in origins and messages.
    """
    remarks = []
    if text.startswith(_BOM):
        text = text.removeprefix(_BOM)
        remarks.append("The file begins with a byte order mark, which Debian's cron cannot read; it is passed over.")
    if text and not text.endswith(b"\n"):
        remarks.append("The last line has no newline: Debian's cron ignores such a file as a whole.")
    reader = _Reader(system=system, user=user, is_user=is_user)
    lines = tuple(reader.read(number, line) for number, line in enumerate(_lines(text), 1))
    if reader.had_carriage_returns:
        remarks.append("Lines end with CR LF: cron takes the CR for a part of the command; here it is taken away.")
    if any(line.kind is LineKind.INVALID for line in lines):
        remarks.append("Debian's cron ignores a file as a whole for one line that it cannot read.")
    return CrontabReading(source=source, system=system, user=user, lines=lines, remarks=tuple(remarks))


def _lines(text: bytes) -> list[bytes]:
    return text.removesuffix(b"\n").split(b"\n") if text else []


class _Reader:
    """Walks down the lines with what is in force at each."""

    def __init__(self, *, system: bool, user: str | None, is_user: Callable[[str], bool]) -> None:
        self._system, self._user, self._is_user = system, user, is_user
        self._known_users: dict[str, bool] = {}
        self._surroundings = Surroundings()
        self.had_carriage_returns = False

    def read(self, number: int, raw: bytes) -> CrontabLine:
        if raw.endswith(b"\r"):
            self.had_carriage_returns = True
            raw = raw.removesuffix(b"\r")
        line = CrontabLine(number=number, kind=LineKind.BLANK, text=raw.decode("utf-8", "replace"))
        content = line.text.lstrip(_BLANKS)
        if not content:
            return line
        if content.startswith("#"):
            return replace(line, kind=LineKind.COMMENT)
        if problem := _unreadable(raw):
            return _invalid(line, problem)
        setting = read_setting(content)
        return self._setting(line, setting) if setting else self._job(line, content)

    def _setting(self, line: CrontabLine, setting: Setting) -> CrontabLine:
        before = self._surroundings
        self._surroundings, problem, remarks = before.after(setting, number=line.number)
        line = replace(
            line,
            kind=LineKind.ENVIRONMENT,
            remarks=(*setting.remarks, *remarks),
            is_left_out=self._surroundings is before,
        )
        return _invalid(line, problem) if problem else line

    def _job(self, line: CrontabLine, content: str) -> CrontabLine:
        match = _FIELDS.fullmatch(content)
        if match is None:
            return _invalid(line, "this is neither a job (five time fields and a command) nor NAME=value.")
        schedule, rest = match["schedule"], match["rest"] or ""
        line = replace(line, schedule=" ".join(schedule.split()), user=self._user)
        if self._system:
            user, *command = re.split(r"[ \t]+", rest, maxsplit=1)
            line, rest = replace(line, user=user), "".join(command)
        return self._finished(line, rest.lstrip(_BLANKS))

    def _finished(self, line: CrontabLine, rest: str) -> CrontabLine:
        command, stdin_text = split_command(rest)
        around = self._surroundings
        line = replace(
            line,
            kind=LineKind.JOB,
            command=command,
            stdin_text=stdin_text,
            environment=around.variables,
            time_zone=around.time_zone,
            mail_to=around.mail_to,
            remarks=_remarks(line.schedule, rest),
        )
        problem = self._user_problem(line) or _job_problem(line) or around.zone_problem
        return _invalid(line, problem) if problem else line

    def _user_problem(self, line: CrontabLine) -> str:
        if not self._system:
            return ""
        if not line.user:
            return "the user is missing: in a system crontab it stands between the schedule and the command."
        if line.user not in self._known_users:
            self._known_users[line.user] = self._is_user(line.user)
        if not self._known_users[line.user]:
            return f"this machine has no user '{line.user}' (a system crontab names one before the command)."
        return ""


def _invalid(line: CrontabLine, problem: str) -> CrontabLine:
    return replace(line, kind=LineKind.INVALID, problem=problem)


def _unreadable(raw: bytes) -> str:
    if b"\0" in raw:
        return "the line holds a NUL character."
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"byte {error.start + 1} of the line is not UTF-8."
    return ""


def _job_problem(line: CrontabLine) -> str:
    if not line.command.strip(_BLANKS):
        return "there is no command behind the schedule (five time fields, or one word with @)."
    try:
        Schedule.parse(line.schedule)
    except InvalidScheduleError as fault:
        return str(fault)
    return ""


def _remarks(schedule: str, command: str) -> tuple[str, ...]:
    found = []
    if schedule.startswith("@") and schedule not in _NICKNAMES and schedule.lower() in _NICKNAMES:
        found.append(f"Debian's cron knows {schedule.lower()} in lower case only.")
    if len(command.encode()) > _LONGEST_COMMAND_BYTES:
        found.append(f"The command is longer than the {_LONGEST_COMMAND_BYTES} bytes that Debian's cron takes.")
    return tuple(found)
