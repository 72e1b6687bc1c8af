"""Database servers that die, freeze, lag, refuse or lose their answers: told once, and nothing is lost or doubled.

The timeouts in force are those of the chaos run: two seconds.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pymysql
import pytest
from benchmarks.chaos_ground import Ground

from .conftest import GroundMaker, Mishap, lasting, said, through, undo_of_database

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database", ["mariadb", "postgresql"])]

LOST = "Failed to connect to database"
BACK = "Database is back"
# Beyond the timeouts in force, and the first pauses between two attempts.
OUTAGE_SECONDS = 4.0
LOCK_TRIES = 50


def mishap(ground: Ground, kind: str, *, noticed: Callable[[], bool]) -> Mishap:
    return Mishap(harm=lambda: undo_of_database(ground, kind), noticed=noticed)


@pytest.mark.parametrize("kind", ["kill server", "freeze server", "make server read-only"])
def test_a_server_that_is_away_for_long_is_told_once_and_loses_nothing(
    make_ground: GroundMaker, database: str, kind: str
) -> None:
    ground = make_ground(database=database)

    verdict = through(ground, mishap(ground, kind, noticed=lasting(OUTAGE_SECONDS, lambda: bool(said(ground, LOST)))))

    assert verdict.is_clean, verdict.faults
    assert [entry["level"] for entry in said(ground, LOST)] == ["CRITICAL"]
    assert len(said(ground, BACK)) == 1


def test_a_bad_line_to_the_server_loses_and_doubles_nothing(make_ground: GroundMaker, database: str) -> None:
    """Connections are reset; replies to COMMIT get lost on their way; answers drip; rows are locked by somebody."""
    ground = make_ground(database=database)
    replies = 5

    def lose_replies() -> Callable[[], object]:
        ground.proxy.lose_reply_to_commit(replies)
        return ground.proxy.heal

    def drip() -> Callable[[], object]:
        ground.proxy.delay(0.02)
        ground.proxy.throttle(200_000)
        return ground.proxy.heal

    def lock_rows() -> Callable[[], object]:
        other = ground.another_connection()
        # The masters hold rows, too, and the server may choose us as the one to give way.
        for _ in range(LOCK_TRIES):
            try:
                other.execute("BEGIN")
                other.execute("SELECT id FROM smart_cron_tasks_config ORDER BY id FOR UPDATE")
                other.execute("SELECT id FROM smart_cron_executions ORDER BY id FOR UPDATE")
            except (psycopg.OperationalError, pymysql.err.OperationalError):
                other.execute("ROLLBACK")
            else:
                return other.close
        raise AssertionError("the rows could not be locked")

    verdict = through(
        ground,
        mishap(ground, "reset connections", noticed=lambda: bool(said(ground, LOST))),
        Mishap(harm=lose_replies, noticed=lambda: ground.proxy.lost_replies == replies),
        Mishap(harm=drip, noticed=lasting(1.5)),
        # For longer than a lock is waited for: the transaction is rolled back and made again.
        Mishap(harm=lock_rows, noticed=lasting(3.0)),
    )

    assert verdict.is_clean, verdict.faults
    assert len(said(ground, LOST)) == len(said(ground, BACK))
