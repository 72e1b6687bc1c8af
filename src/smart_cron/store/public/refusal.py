"""What a server does not let us make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from smart_cron.core.errors import DatabaseError

if TYPE_CHECKING:
    from smart_cron.store.session import Session


def refusal(session: Session, work: Callable[[], object]) -> str | None:
    """Do the work; return why the server refused it, in its own words, or None. Raise what is no refusal."""
    try:
        work()
    except DatabaseError as error:
        # Drivers tell a missing right as they tell a server that is gone: then this raises.
        session.row("SELECT 1")
        return error.message.partition(": ")[2] or error.message
    return None
