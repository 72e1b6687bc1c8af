"""The event of MariaDB and MySQL that cleans up once a day, where the server runs events and this account may make one.

It is a net below the engine's own clean-up, which knows the settings: so its days are many, and one that is there
already is left as somebody may have altered it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smart_cron.store.public.refusal import refusal

if TYPE_CHECKING:
    from smart_cron.store.session import Session

EVENT = "smart_cron_auto_cleanup"
DAYS = 400
# An hour after the engine's own, which then leaves nothing to do.
_CREATE = f"""CREATE EVENT IF NOT EXISTS {EVENT}
    ON SCHEDULE EVERY 1 DAY STARTS CURRENT_DATE + INTERVAL 27 HOUR
    COMMENT 'deletes what is older than these days; the built-in task smart_cron_cleanup knows the settings'
    DO CALL smart_cron_cleanup_old_data({DAYS})"""
_OFF = "its event scheduler is off"
_INSTEAD = "the built-in task smart_cron_cleanup cleans up instead"


def create(session: Session) -> list[str]:
    """Make the event where there is none; return a sentence where that cannot be."""
    if session.dialect.name != "mysql" or _is_off(session):
        return []
    reason = refusal(session, lambda: session.execute(_CREATE))
    return [f"the event {EVENT} could not be made ({reason.rstrip('.')}): {_INSTEAD}."] if reason else []


def spare(session: Session, days: int | None) -> None:
    """Let the event delete nothing that the settings keep, which is so many days, or for ever where that is None.

    Days that somebody gave it are raised, never lowered; what calls something else is left alone.
    """
    there = session.dialect.name == "mysql" and session.row(
        "SELECT event_definition FROM information_schema.events WHERE event_schema = DATABASE() AND event_name = %s",
        [EVENT],
    )
    called = re.fullmatch(r"CALL smart_cron_cleanup_old_data\((\d+)\)", str(there[0]).strip()) if there else None
    if called is None:
        return
    change = "DISABLE" if days is None else f"DO CALL smart_cron_cleanup_old_data({days})"
    if days is None or int(called[1]) < days:
        # Whoever took the right away since then has an eye on it.
        refusal(session, lambda: session.execute(f"ALTER EVENT {EVENT} {change}"))


def drop(session: Session) -> None:
    """Leave it: it minds no migration, and somebody may have altered it."""
    del session


def remark(session: Session) -> str | None:
    """Return a sentence where the server does not clean up by itself, or None."""
    if session.dialect.name != "mysql":
        return None
    if _is_off(session):
        return f"The server cleans up nothing by itself, since {_OFF}: {_INSTEAD}."
    there = session.row(
        "SELECT status FROM information_schema.events WHERE event_schema = DATABASE() AND event_name = %s", [EVENT]
    )
    if there is None:
        return f"The server cleans up nothing by itself, since the event {EVENT} is not there: {_INSTEAD}."
    return None if there[0] == "ENABLED" else f"The event {EVENT} is switched off: {_INSTEAD}."


def _is_off(session: Session) -> bool:
    found = session.row("SELECT @@GLOBAL.event_scheduler")
    return found is None or str(found[0]).upper() not in ("ON", "1")
