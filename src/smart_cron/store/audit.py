"""Audit rows, written in the transaction of the change that they tell of."""

from __future__ import annotations

import json
from collections.abc import Mapping

from smart_cron.store.record_rows import fitting
from smart_cron.store.session import Session

# Values that may hold passwords and tokens: that they changed is told, not what they are.
SECRET_COLUMNS = frozenset({"environment", "alert_slack_webhook", "ping_url", "stdin_text"})
HIDDEN = "(hidden)"

Values = Mapping[str, object]


class Audit:
    """Writes who changed what, from what to what."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def note(
        self,
        action: str,
        *,
        actor: str,
        entity: tuple[str, int, str],
        old: Values | None = None,
        new: Values | None = None,
    ) -> None:
        """Write one row. *entity* is its type, number and name."""
        entity_type, entity_id, entity_name = entity
        # An account, a token or a tool may name itself; only its beginning fits the column.
        self._session.execute(
            """INSERT INTO smart_cron_audit_log
                (actor, action, entity_type, entity_id, entity_name, old_values, new_values)
             VALUES (%s, %s, %s, %s, %s, %s, %s)""",
            [actor[:100], action, entity_type, entity_id, entity_name[:100], _shown(old), _shown(new)],
        )


def changes(old: Values, new: Values) -> tuple[Values, Values]:
    """Return what differs, before and after; of secrets only that they differ."""
    names = [name for name in new if old.get(name) != new[name]]
    return {name: _masked(name, old.get(name)) for name in names}, {name: _masked(name, new[name]) for name in names}


def _masked(name: str, value: object) -> object:
    return HIDDEN if name in SECRET_COLUMNS and value else value


def _shown(values: Values | None) -> str | None:
    if values is None:
        return None
    return fitting(json.dumps({name: _masked(name, value) for name, value in values.items()}, ensure_ascii=False))
