"""What an address or a form asks for, taken from closed lists: what is unknown, doubled or odd is refused in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _

from smart_cron.core.errors import SmartCronError

_Word = TypeVar("_Word", bound=StrEnum)
LONGEST = 200
LARGEST_NUMBER = 2**63 - 1
# Of a form of ours, and never asked about.
_CSRF = "csrfmiddlewaretoken"


class UnusableError(SmartCronError):
    """What was asked for cannot be understood; the sentence says what of it."""


class Asked:
    """The fields of a query or a form, each once but for *repeated* ones. Raise UnusableError for others."""

    def __init__(
        self, query: QueryDict, known: Collection[str], *, repeated: Collection[str] = (), longest: int = LONGEST
    ) -> None:
        for name, values in query.lists():
            if name == _CSRF:
                continue
            if name not in known and name not in repeated:
                raise UnusableError(_("There is no field '%(name)s' here.") % {"name": name[:50]})
            if len(values) > 1 and name not in repeated:
                raise UnusableError(_("The field '%(name)s' is given twice.") % {"name": name})
            if any(len(value) > longest or "\0" in value for value in values):
                raise UnusableError(_("The field '%(name)s' is too long, or no text.") % {"name": name})
        self._query = query

    def text(self, name: str) -> str | None:
        """Return a field without blanks around it; None where it is empty."""
        return (self._query.get(name) or "").strip() or None

    def word(self, name: str, words: type[_Word]) -> _Word | None:
        """Return one of a closed list of words; None where the field is empty."""
        found = self.text(name)
        if found is None:
            return None
        if found not in set(words):
            raise UnusableError(
                _("'%(name)s' is one of %(words)s.") % {"name": name, "words": ", ".join(map(str, words))}
            )
        return words(found)

    def number(self, name: str) -> int | None:
        """Return a number from 1 on; None where the field is empty."""
        found = self.text(name)
        return None if found is None else _number(name, found)

    def numbers(self, name: str, *, most: int) -> list[int]:
        """Return the numbers of a repeated field, each once."""
        found = list(dict.fromkeys(_number(name, value) for value in self._query.getlist(name)))
        if len(found) > most:
            raise UnusableError(_("At most %(most)d at once.") % {"most": most})
        return found

    def moment(self, name: str, zone: ZoneInfo) -> datetime | None:
        """Return a date, or date and time, as forms give it, in the configured zone; None where the field is empty."""
        found = self.text(name)
        if found is None:
            return None
        try:
            at = datetime.fromisoformat(found)
        except ValueError:
            at = None
        if at is None or not found[:1].isdigit() or not 1970 <= at.year <= 9000:
            raise UnusableError(_("'%(name)s' is a date such as 2026-03-01 or 2026-03-01T12:30.") % {"name": name})
        return at if at.tzinfo is not None else at.replace(tzinfo=zone)

    def kept(self, *left_out: str) -> Mapping[str, str]:
        """Return the fields that say something but for these, for the address of another page of the same."""
        names = [name for name in self._query if name not in left_out and name != _CSRF]
        return {name: value for name in names if (value := self.text(name)) is not None}


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 0 < int(text) <= LARGEST_NUMBER):
        raise UnusableError(_("'%(name)s' is a number.") % {"name": name})
    return int(text)
