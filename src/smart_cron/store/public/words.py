"""What a view says otherwise on each database. The views themselves are written once."""

from __future__ import annotations

from collections.abc import Mapping

HOUR = 3600
DAY = 24 * HOUR


class Words:
    """Pieces of SQL: PostgreSQL's, unless a subclass says otherwise."""

    # Before a SELECT; how a view is made where one of its name may be there.
    create_view = "CREATE OR REPLACE VIEW"

    def within(self, column: str, seconds: int) -> str:
        """Return the condition that an instant lies within the last *seconds*, in any time zone of the session."""
        # Not now(), the beginning of a transaction that may be old; not clock_timestamp(), which keeps from an index.
        return f"{column} > statement_timestamp() - interval '{seconds} seconds'"

    def double(self, number: str) -> str:
        """Return a number as a double, so that a division is the same everywhere."""
        return f"CAST({number} AS double precision)"

    def whole(self, number: str) -> str:
        """Return a sum of integers as one."""
        return f"CAST({number} AS bigint)"

    def divided(self, number: str, by: str) -> str:
        """Return the whole part of a division of integers."""
        return f"({number}) / ({by})"

    def tail(self, column: str, characters: int) -> str:
        """Return the end of a text."""
        return f"right({column}, {characters})"

    def percent(self, part: str, whole: str) -> str:
        """Return a share in percent with two decimals, NULL of nothing.

        Rounded by integers: of a half the databases' ROUND think differently.
        """
        hundredths = self.divided(f"20000 * ({part}) + ({whole})", f"2 * ({whole})")
        return f"CASE WHEN ({whole}) > 0 THEN {self.double(hundredths)} / 100 END"

    def mean(self, total: str, count: str) -> str:
        """Return a mean, NULL of nothing."""
        return f"CASE WHEN ({count}) > 0 THEN ({total}) / ({count}) END"


class SQLiteWords(Words):
    create_view = "CREATE VIEW"

    def within(self, column: str, seconds: int) -> str:
        return f"{column} > strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', '-{seconds} seconds')"

    def double(self, number: str) -> str:
        return f"CAST({number} AS REAL)"

    def whole(self, number: str) -> str:
        return number

    def tail(self, column: str, characters: int) -> str:
        return f"substr({column}, -{characters})"


class MySQLWords(Words):
    # With the rights of who asks: a definer that is gone, or not there after a restore, would break the view.
    create_view = "CREATE OR REPLACE SQL SECURITY INVOKER VIEW"

    def within(self, column: str, seconds: int) -> str:
        # NOW() is the session's wall clock, and a day before it is 23 or 25 hours when clocks change. Seconds are
        # right; the first condition is for the index, and reaches two hours further since one hour comes twice.
        return (
            f"{column} > FROM_UNIXTIME(UNIX_TIMESTAMP() - {seconds + 2 * HOUR})"
            f" AND UNIX_TIMESTAMP({column}) > UNIX_TIMESTAMP() - {seconds}"
        )

    def double(self, number: str) -> str:
        return f"({number} + 0e0)"

    def whole(self, number: str) -> str:
        return f"CAST({number} AS SIGNED)"

    def divided(self, number: str, by: str) -> str:
        return f"({number}) DIV ({by})"


WORDS: Mapping[str, Words] = {"sqlite": SQLiteWords(), "mysql": MySQLWords(), "postgresql": Words()}
