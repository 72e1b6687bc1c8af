"""What is made from the tables and holds nothing of its own: views, routines, triggers.

They are dropped before a migration, which may rebuild a table under them, and made anew after every `db migrate`: what
somebody dropped comes back, and what a newer version says otherwise takes its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from smart_cron.store import audit_guard
from smart_cron.store.public import events, routines, views

if TYPE_CHECKING:
    from smart_cron.store.session import Session


class Part(Protocol):
    """One kind of them; a module of two functions."""

    def create(self, session: Session) -> list[str]:
        """Make or replace them; return a sentence for each that this server or account does not let us make."""

    def drop(self, session: Session) -> None:
        """Drop those that are there."""


# In the order in which they are made.
PARTS: tuple[Part, ...] = (views, routines, events, audit_guard)


def create(session: Session) -> list[str]:
    """Make or replace all; return a sentence for each that cannot be made here."""
    return [sentence for part in PARTS for sentence in part.create(session)]


def drop(session: Session) -> None:
    """Drop all that are there."""
    for part in reversed(PARTS):
        part.drop(session)
