"""Values of a task as they are typed into a form, and back. What cannot be read is said with its remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from smart_cron.core.masking import HIDDEN, is_secret, masked_webhook
from smart_cron.core.spans import read_span, written_span

NONE = "none"
TICKED = "on"
_NUMBER = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
_CODES = re.compile(r"[0-9]{1,3}(\s*,\s*[0-9]{1,3})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written and read. *read* gets the value before, and raises ValueError with a sentence.

    `control` is the input that a form has for it.
    """

    control: str
    show: Callable[[Any], str]
    read: Callable[[str, Any], Any]


def _read_text(written: str, before: object) -> str | None:
    del before
    return _lines(written).strip() or None


def _read_line(written: str, before: object) -> str:
    del before
    return written.strip()


def _read_whole_text(written: str, before: object) -> str | None:
    del before
    return _lines(written) or None


def _read_number(written: str, before: object) -> int:
    del before
    if not _NUMBER.fullmatch(written.strip()):
        raise ValueError(_("This must be a whole number."))
    return int(written)


def _read_optional_number(written: str, before: object) -> int | None:
    return None if written.strip().lower() in ("", NONE) else _read_number(written, before)


def _read_decimal(written: str, before: object) -> float:
    del before
    if not _DECIMAL.fullmatch(written.strip()):
        raise ValueError(_("This must be a number such as 8 or 2.5."))
    return float(written)


def _read_span(written: str, before: object) -> timedelta:
    del before
    found = read_span(written.strip())
    if found is None:
        raise ValueError(_("This must be a length of time: seconds, or 90s, 5m, 2h, 1d."))
    return found


def _read_optional_span(written: str, before: object) -> timedelta | None:
    return None if written.strip().lower() in ("", NONE) else _read_span(written, before)


def _read_flag(written: str, before: object) -> bool:
    del before
    if written not in ("", TICKED):
        raise ValueError(_("This is ticked, or not."))
    return written == TICKED


def _read_codes(written: str, before: object) -> tuple[int, ...]:
    del before
    if not _CODES.fullmatch(written.strip()):
        raise ValueError(_("These must be exit codes with commas between, such as 0,3."))
    return tuple(int(code) for code in written.split(","))


def arguments_of(written: str) -> tuple[str, ...]:
    """Return arguments, one a line, or a JSON list. Raise ValueError where it begins as a list and is none."""
    if not written.strip().startswith("["):
        return tuple(line for line in _lines(written).split("\n") if line)
    found = _json(written)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ValueError(_("What begins with '[' must be a JSON list of texts."))
    return tuple(found)


def _show_arguments(arguments: tuple[str, ...]) -> str:
    is_plain = all(each and not set(each) & set("\r\n") for each in arguments)
    if is_plain and not (arguments and arguments[0].lstrip().startswith("[")):
        return "\n".join(arguments)
    return json.dumps(arguments, ensure_ascii=False)


def _show_environment(environment: Mapping[str, str]) -> str:
    shown = {name: HIDDEN if is_secret(name) else value for name, value in environment.items()}
    if any(set(value) & set("\r\n") for value in shown.values()):
        return json.dumps(shown, ensure_ascii=False, indent=1)
    return "\n".join(f"{name}={value}" for name, value in shown.items())


def _read_environment(written: str, before: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _variables(written):
        if name in found:
            raise ValueError(_("The variable %(name)s is set twice.") % {"name": name})
        found[name] = _kept(name, before) if value == HIDDEN and is_secret(name) else value
    return found


def _kept(name: str, before: Mapping[str, str]) -> str:
    if name not in before:
        raise ValueError(_("%(name)s has no value that could be kept: write one.") % {"name": name})
    return before[name]


def _variables(written: str) -> list[tuple[str, str]]:
    if written.strip().startswith("{"):
        found = _json(written)
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise ValueError(_("What begins with '{' must be a JSON object of texts."))
        return list(found.items())
    pairs = []
    for number, line in enumerate(_lines(written).split("\n"), 1):
        name, equals, value = line.partition("=")
        if line.strip() and not equals:
            raise ValueError(_("Line %(number)d is not of the form NAME=VALUE.") % {"number": number})
        if line.strip():
            pairs.append((name.strip(), value))
    return pairs


def _json(written: str) -> object:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None


def _read_secret(written: str, before: str | None) -> str | None:
    """Nothing typed keeps it: what is there is not shown, and so cannot be typed again."""
    written = written.strip()
    if not written:
        return before
    return None if written.lower() == NONE else written


def choice_kind(words: type[StrEnum]) -> Kind:
    """Return the kind of one of these words."""

    def read(written: str, before: object) -> StrEnum:
        del before
        try:
            return words(written)
        except ValueError:
            raise ValueError(_("This must be one of %(words)s.") % {"words": ", ".join(words)}) from None

    return Kind("choice", str, read)


def _plain(value: object) -> str:
    return "" if value is None else str(value)


def _optional_span(value: timedelta | None) -> str:
    return "" if value is None else written_span(value)


def _lines(written: str) -> str:
    """Browsers send the ends of lines as the protocol of mail has them."""
    return written.replace("\r\n", "\n")


def shown_secret(value: str | None) -> str:
    """Return what of a secret address may be shown."""
    return masked_webhook(value) or ""


LINE = Kind("line", _plain, _read_line)
TEXT = Kind("line", _plain, _read_text)
AREA = Kind("area", _plain, _read_whole_text)
NUMBER = Kind("number", _plain, _read_number)
OPTIONAL_NUMBER = Kind("number", _plain, _read_optional_number)
DECIMAL = Kind("number", lambda value: f"{value:g}", _read_decimal)
SPAN = Kind("line", written_span, _read_span)
OPTIONAL_SPAN = Kind("line", _optional_span, _read_optional_span)
FLAG = Kind("flag", lambda value: TICKED if value else "", _read_flag)
CODES = Kind("line", lambda value: ",".join(map(str, value)), _read_codes)
ARGUMENTS = Kind("area", _show_arguments, lambda written, _: arguments_of(written))
ENVIRONMENT = Kind("area", _show_environment, _read_environment)
SECRET = Kind("secret", lambda _: "", _read_secret)
