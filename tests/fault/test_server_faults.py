"""Database servers that die, freeze, lag, refuse or lose their answers: told once, and nothing is lost or doubled.

The timeouts in force are those of the chaos run: two seconds.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pymysql
import pytest
from benchmarks.chaos_ground import Ground
from benchmarks.databases import Databases

from .conftest import GroundMaker, Mishap, crashing, lasting, said, through, undo_of_database

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


# Each decides something that must not be decided twice, nor be forgotten.
COMMITS = [f"database:{name}:{when}" for name in ("Claims.claim", "Records.settle") for when in ("precommit", "commit")]


def test_a_server_killed_right_before_or_after_a_commit_loses_and_doubles_nothing(
    make_ground: GroundMaker, database: str, databases: Databases, tmp_path: Path
) -> None:
    server, marker = databases.server(database), tmp_path / "died"
    ground = make_ground(crashing("+".join(COMMITS), marker), database=database)

    def kill(died: Path) -> Mishap:
        def arm() -> Callable[[], object]:
            assert server.process is not None
            died.with_suffix(".server").write_text(str(server.process.pid))
            died.with_name(f"{died.name}.armed").touch()
            return bring_back

        return Mishap(harm=arm, noticed=died.exists)

    def bring_back() -> None:
        server.stop(signal.SIGKILL)
        server.start()

    verdict = through(ground, *(kill(marker.with_name(f"died.{number}")) for number in range(len(COMMITS))))

    assert verdict.is_clean, verdict.faults


def test_a_bad_line_to_the_server_loses_and_doubles_nothing(make_ground: GroundMaker, database: str) -> None:
    """Connections are reset; replies to COMMIT get lost on their way; answers drip; rows are locked by somebody."""
    ground = make_ground(database=database)
    replies = 5

    def lose_replies() -> Callable[[], object]:
        ground.proxies[0].lose_reply_to_commit(replies)
        return ground.proxies[0].heal

    def drip() -> Callable[[], object]:
        ground.proxies[0].delay(0.02)
        ground.proxies[0].throttle(200_000)
        return ground.proxies[0].heal

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
        Mishap(harm=lose_replies, noticed=lambda: ground.proxies[0].lost_replies == replies),
        Mishap(harm=drip, noticed=lasting(1.5)),
        # For longer than a lock is waited for: the transaction is rolled back and made again.
        Mishap(harm=lock_rows, noticed=lasting(3.0)),
    )

    assert verdict.is_clean, verdict.faults
    assert len(said(ground, LOST)) == len(said(ground, BACK))
