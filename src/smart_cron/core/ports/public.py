"""What others meet in the database besides the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class PublicStore(Protocol):
    """Views and routines, which `Database.migrate` makes anew each time; sentences about them."""

    def missing(self) -> Sequence[str]:
        """Return a sentence for each view or routine that is not there, or cannot be used."""

    def not_made(self) -> Sequence[str]:
        """Return a sentence for each that the last `migrate` of this process could not make, with the reason."""

    def spare(self, days: int | None) -> None:
        """Let the server's own clean-up delete nothing younger than these days; nothing at all where that is None."""

    def remarks(self) -> Sequence[str]:
        """Return what is left to the engine since this server does not do it."""
