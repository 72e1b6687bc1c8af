"""Environment lines of a crontab, `NAME = value`, and what is in force at a line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.schedule import zone

# Quotes must match, may not be escaped, and nothing may follow the closing one; without them blanks at the end go.
_SETTING: Final = re.compile(
    r"""(?: "(?P<dq_name>[^"=]*)" | '(?P<sq_name>[^'=]*)' | (?P<name>(?!["'])[^\s=]*) )
        \s* = \s*
        (?: "(?P<dq>[^"]*)" | '(?P<sq>[^']*)' | (?P<plain>(?!["'])\S(?:.*\S)?) ) \s*""",
    re.VERBOSE | re.DOTALL,
)
_EMPTY: Final = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*")
_USABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FORBIDDEN: Final = ("LD_", "SMART_CRON_")
_NOT_FOR_THE_COMMAND: Final = ("MAILTO", "MAILFROM", "CRON_TZ", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING")


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment line, read."""

    name: str
    value: str
    remarks: tuple[str, ...] = ()


def read_setting(text: str) -> Setting | None:
    """Return the setting that a line (without leading blanks) makes, or None where it is something else."""
    if match := _SETTING.fullmatch(text):
        name = match["dq_name"] or match["sq_name"] or match["name"] or ""
        value = match["dq"] or match["sq"] or match["plain"] or ""
        return Setting(name, value)
    if match := _EMPTY.fullmatch(text):
        return Setting(match["name"], "", ('Debian\'s cron wants quotes around an empty value: NAME="".',))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the lines so far have set. A CRON_TZ that is no zone makes the jobs below it unusable: `zone_problem`."""

    variables: dict[str, str] = field(default_factory=dict)
    mail_to: str | None = None
    time_zone: str | None = None
    zone_problem: str = ""

    def after(self, setting: Setting, *, number: int) -> tuple[Surroundings, str, tuple[str, ...]]:
        """Return what holds below this line, the line's problem or "", and remarks on it."""
        if setting.name == "CRON_TZ":
            return self._with_zone(setting.value, number)
        if setting.name == "MAILTO":
            return replace(self, mail_to=setting.value), "", ()
        if remark := _why_not_kept(setting.name):
            return self, "", (remark,)
        return replace(self, variables={**self.variables, setting.name: setting.value}), "", ()

    def _with_zone(self, name: str, number: int) -> tuple[Surroundings, str, tuple[str, ...]]:
        remark = "Debian's cron does not know CRON_TZ: it runs these jobs by the machine's clock."
        if not name:
            return replace(self, time_zone=None, zone_problem=""), "", ()
        try:
            zone(name)
        except InvalidInputError as fault:
            why = f"CRON_TZ in line {number} names no time zone"
            return replace(self, time_zone=None, zone_problem=why), str(fault), ()
        return replace(self, time_zone=name, zone_problem=""), "", (remark,)


def _why_not_kept(name: str) -> str:
    if name in _NOT_FOR_THE_COMMAND:
        return f"{name} concerns cron's mail and is left out."
    if name == "LOGNAME":
        return "LOGNAME is always the user's own; cron ignores this line too."
    if not _USABLE.fullmatch(name):
        return f"'{name}' is no name that a shell can use; it is left out."
    if name.startswith(_FORBIDDEN):
        return f"{name} cannot be set: LD_* and SMART_CRON_* belong to the system. It is left out."
    return ""
