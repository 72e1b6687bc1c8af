"""What the planner knows of tables, looked at anew where many rows went: the port `StatisticsStore`.

MariaDB and MySQL see to it themselves once a tenth of a table has changed; asked for it, they may let every new query
of that table wait behind the longest one that is under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.store.session import Session

# SQLite has one writer: of each index so many entries are looked at, which takes well below its 5 ms.
_SQLITE_ENTRIES: Final = 400
# Another look at the same table, by the server's own clean-up, is as good as ours.
_PATIENCE_MILLISECONDS: Final = 500


class Statistics:
    """Looks at tables for the planner."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def refresh(self, tables: Sequence[str]) -> int:
        """Look at these tables; return of how many that came about."""
        look = {"sqlite": self._on_sqlite, "postgresql": self._on_postgresql}.get(self._session.dialect.name)
        return sum(look(table) for table in tables) if look else 0

    def _on_sqlite(self, table: str) -> bool:
        self._session.rows(f"PRAGMA analysis_limit = {_SQLITE_ENTRIES}")
        self._session.execute(f"ANALYZE {table}")
        return True

    def _on_postgresql(self, table: str) -> bool:
        """It locks out neither readers nor writers; of an account that does not own the table it is passed over."""
        try:
            with self._session.transaction():
                self._session.execute(f"SET LOCAL lock_timeout = {_PATIENCE_MILLISECONDS}")
                self._session.execute(f"ANALYZE {table}")
        except DatabaseConflictError:
            return False
        return True
