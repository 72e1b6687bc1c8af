"""How often each text was warned of, and what was counted of whole days already."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smart_cron.services.state_file import write_state_file

# Who warns in ever new words must not fill the memory: what is more is counted together.
MOST_TEXTS = 2_000
OTHER = "(other texts)"
EXAMPLE_CHARACTERS = 300
FOLDER, FILE = "alerts", "warnings.json"
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Warnings that differ in numbers only: how many, and the first of them."""

    count: int
    example: str


@dataclass(slots=True)
class Tally:
    """Messages counted by text, numbers left out."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, message: str, count: int = 1) -> None:
        """Count a message, so many times."""
        example = message[:EXAMPLE_CHARACTERS]
        text = _NUMBER.sub("#", example)
        if text not in self.counts and len(self.counts) >= MOST_TEXTS:
            text = example = OTHER
        self.counts[text] += count
        self.examples.setdefault(text, example)

    def add_all(self, other: Tally) -> None:
        """Count what another one has counted."""
        for text, count in other.counts.items():
            self.add(other.examples[text], count)

    def groups(self) -> list[Group]:
        """Return the messages by text, the most frequent first."""
        return [Group(count=count, example=self.examples[text]) for text, count in self.counts.most_common()]


class Tallies:
    """Tallies of whole days by the name of their file, kept in the state directory until they are told.

    A file that cannot be read counts as none; one that cannot be written is done without.
    """

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FOLDER / FILE
        self._known = self._read()

    def _read(self) -> dict[str, list[list[Any]]]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def of(self, name: str) -> Tally | None:
        """Return what was counted of a file, or None where it is to be counted; packing it changes nothing."""
        tally = Tally()
        try:
            for count, example in self._known[name.removesuffix(".gz")]:
                tally.add(str(example), int(count))
        except (KeyError, TypeError, ValueError):
            return None
        return tally

    def keep(self, name: str, tally: Tally) -> None:
        """Remember what was counted of a file to which nothing will be added."""
        self._known[name.removesuffix(".gz")] = [[group.count, group.example] for group in tally.groups()]
        with suppress(OSError):
            write_state_file(self._file, json.dumps(self._known))

    def clear(self) -> None:
        """Forget all. Raise OSError where the file stays."""
        self._known = {}
        self._file.unlink(missing_ok=True)
