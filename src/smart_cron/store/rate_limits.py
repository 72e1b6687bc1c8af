"""How often the same one came, kept in `smart_cron_rate_limits`: a storage for the library `limits`.

A restart forgives nobody, and several servers before one database count together. The database's clock decides when a
window ends.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from limits.storage import Storage

from smart_cron.core.errors import DatabaseError

if TYPE_CHECKING:
    from smart_cron.store.session import Session

# `window_started_at` before `expires_at`, and `hits` before both: MariaDB and MySQL assign in this order, and each
# looks at the end of the window before.
_COUNT = """
    UPDATE smart_cron_rate_limits
       SET hits = CASE WHEN expires_at > %s THEN hits + %s ELSE %s END,
           window_started_at = CASE WHEN expires_at > %s THEN window_started_at ELSE %s END,
           expires_at = CASE WHEN expires_at > %s THEN expires_at ELSE %s END
     WHERE limit_key = %s"""
_BEGIN = "INSERT INTO smart_cron_rate_limits (limit_key, hits, window_started_at, expires_at) VALUES (%s, %s, %s, %s)"


class RateLimitRows(Storage):
    """Fixed windows, a row for each name."""

    STORAGE_SCHEME = None

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    @property
    def base_exceptions(self) -> type[Exception]:
        """What goes wrong here is told in our words already."""
        return DatabaseError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, in a new window where the last one is over; return how many there are in it."""
        return self._session.again(lambda: self._count(key, expiry, amount))

    def _count(self, key: str, expiry: float, amount: int) -> int:
        at = self._session.now()
        now, end = self._session.dialect.instant(at), self._session.dialect.instant(at + timedelta(seconds=expiry))
        # Where another one begins the same window in this moment, the unique key makes one of us run again.
        if not self._session.execute(_COUNT, [now, amount, amount, now, now, now, end, key]):
            self._session.execute(_BEGIN, [key, amount, now, end])
            return amount
        row = self._session.row("SELECT hits FROM smart_cron_rate_limits WHERE limit_key = %s", [key])
        return int(row[0]) if row else amount

    def get(self, key: str) -> int:
        """Return how many there are in the window."""
        sql = "SELECT hits FROM smart_cron_rate_limits WHERE limit_key = %s AND expires_at > %s"
        row = self._session.row(sql, [key, self._session.dialect.instant(self._session.now())])
        return int(row[0]) if row else 0

    def window(self, key: str) -> tuple[int, float]:
        """Return how many there are in the window, and in how many seconds it ends; (0, 0) where there is none."""
        now = self._session.now()
        sql = "SELECT hits, expires_at FROM smart_cron_rate_limits WHERE limit_key = %s AND expires_at > %s"
        row = self._session.row(sql, [key, self._session.dialect.instant(now)])
        ends_at = self._session.dialect.read_instant(row[1]) if row else None
        return (0, 0.0) if row is None or ends_at is None else (int(row[0]), (ends_at - now).total_seconds())

    def get_expiry(self, key: str) -> float:
        """Return when the window ends, in seconds since 1970 by the database's clock."""
        row = self._session.row("SELECT expires_at FROM smart_cron_rate_limits WHERE limit_key = %s", [key])
        ends_at = self._session.dialect.read_instant(row[0]) if row else None
        return (ends_at or self._session.now()).timestamp()

    def seconds_left(self, key: str) -> float:
        """Return how long the window lasts yet."""
        return max(0.0, self.get_expiry(key) - self._session.now().timestamp())

    def check(self) -> bool:
        """Whether the database answers."""
        try:
            self._session.now()
        except DatabaseError:
            return False
        return True

    def reset(self) -> int:
        """Forget everybody; return how many there were."""
        # The courier's turn is a row of this table, too, and has no end.
        return self._session.execute("DELETE FROM smart_cron_rate_limits WHERE expires_at IS NOT NULL")

    def clear(self, key: str) -> None:
        """Forget one."""
        self._session.execute("DELETE FROM smart_cron_rate_limits WHERE limit_key = %s", [key])
