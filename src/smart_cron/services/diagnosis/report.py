"""A report for whoever helps: what they would ask for, in one text, with room for what only a person can tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smart_cron.services.diagnosis.scrub import Scrubber

FOR_A_PERSON = ("Steps to reproduce", "What was expected, and what happened instead")
WARNING = "Passwords, tokens and values of environment variables were taken out. Read it before you send it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    title: str
    lines: Sequence[str]


def compose(sections: Iterable[Section], *, title: str, scrubber: Scrubber) -> str:
    """Return the text, every line of it without secrets, with empty headings for a person at its end."""
    parts = [title, "=" * len(title), "", WARNING]
    for section in sections:
        parts += ["", section.title, "-" * len(section.title), *(section.lines or ["(nothing)"])]
    for heading in FOR_A_PERSON:
        parts += ["", heading, "-" * len(heading), "", ""]
    return "\n".join(map(scrubber.clean, parts)) + "\n"


def tail(text: str | None, *, count: int) -> list[str]:
    """Return the last lines of what a run printed, and how many were left out."""
    lines = (text or "").rstrip("\n").split("\n") if text else []
    left_out = len(lines) - count
    return [f"({left_out} lines before)", *lines[-count:]] if left_out > 0 else lines
