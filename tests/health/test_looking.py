"""Checks that hang or crash are findings; nobody waits for them, and the others are told all the same.

Opening a FIFO that nobody writes waits in the kernel as a mount that hangs does, and needs no root; with a real one it
is tried in tests/fault.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.health import DATABASE, SCHEMA, Examination, Probe, examine

# Long enough for a busy machine. What is meant to hang is given less: enough for others to answer beside it.
SECONDS = 30.0
ENOUGH = 4.0
SHORT = 0.2


def finding(check: str = "memory", status: CheckStatus = CheckStatus.OK, measured: float | None = 1.0) -> Finding:
    return Finding(check=check, status=status, message="looked.", measured=measured)


def probe(name: str, look: Callable[[], Finding] | None = None, *, needs_database: bool = False) -> Probe:
    return Probe(name=name, look=look or (lambda: finding(name)), node="n", needs_database=needs_database)


def failing(error: Exception) -> Callable[[], Finding]:
    def look() -> Finding:
        raise error

    return look


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Callable[[], Finding]]:
    """A check that hangs in the kernel until the test is over."""
    path = tmp_path / "mount"
    os.mkfifo(path)

    def look() -> Finding:
        path.read_bytes()
        return finding()

    yield look
    # Whoever still waits is let go: both ends are open for a moment.
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))


def by_name(examination: Examination) -> dict[str, Finding]:
    return {each.check: each for each in examination.findings}


def test_findings_come_in_the_order_of_the_checks_with_name_node_and_time() -> None:
    found = examine([probe("memory"), probe("disk_space")], seconds=SECONDS)

    assert [(each.check, each.node) for each in found.findings] == [("memory", "n"), ("disk_space", "n")]
    assert all(each.response_time_ms is not None for each in found.findings)
    assert not found.hangs


@pytest.mark.slow
def test_a_check_that_hangs_is_a_finding_and_the_others_are_told(hanging: Callable[[], Finding]) -> None:
    found = examine([probe("disk_space", hanging), probe("memory")], seconds=ENOUGH)

    assert by_name(found)["disk_space"].status is CheckStatus.UNKNOWN
    assert "no answer within 4 s" in by_name(found)["disk_space"].message
    assert by_name(found)["memory"].status is CheckStatus.OK
    assert found.hangs
    assert not found.is_healthy


def test_a_check_that_crashes_says_with_what() -> None:
    found = examine([probe("memory", failing(ValueError("no such field"))), probe("clock")], seconds=SECONDS)

    assert by_name(found)["memory"].message == "this check failed: ValueError: no such field."
    assert by_name(found)["memory"].remedy
    assert by_name(found)["clock"].status is CheckStatus.OK


def test_our_own_errors_keep_their_sentence_and_remedy() -> None:
    error = DatabaseUnavailableError("the database does not answer.", remedy="Start it.")

    found = examine([probe("clock", failing(error))], seconds=SECONDS)

    assert (found.findings[0].message, found.findings[0].remedy) == ("the database does not answer.", "Start it.")


def test_what_needs_the_database_is_left_out_while_it_hangs(hanging: Callable[[], Finding]) -> None:
    asked: list[str] = []

    def look() -> Finding:
        asked.append("nodes")
        return finding("nodes")

    found = examine([probe(DATABASE, hanging), probe("nodes", look, needs_database=True)], seconds=SHORT)

    assert by_name(found)[DATABASE].status is CheckStatus.CRITICAL
    assert not by_name(found)["nodes"].asked
    assert asked == []
    assert not found.has_database


def test_tables_that_do_not_fit_leave_out_what_would_read_them() -> None:
    old = finding(SCHEMA, CheckStatus.CRITICAL)

    found = examine([probe(DATABASE), probe(SCHEMA, lambda: old), probe("nodes", needs_database=True)], seconds=SECONDS)

    assert not by_name(found)["nodes"].asked


def test_a_slow_database_is_still_asked() -> None:
    slow = finding(DATABASE, CheckStatus.CRITICAL, measured=3000.0)

    found = examine([probe(DATABASE, lambda: slow), probe("nodes", needs_database=True)], seconds=SECONDS)

    assert by_name(found)["nodes"].status is CheckStatus.OK
    assert found.has_database


@pytest.mark.slow
def test_a_check_that_hangs_once_the_database_has_answered_is_a_finding_too(hanging: Callable[[], Finding]) -> None:
    found = examine([probe(DATABASE), probe("nodes", hanging, needs_database=True)], seconds=ENOUGH)

    assert by_name(found)[DATABASE].status is CheckStatus.OK
    assert by_name(found)["nodes"].status is CheckStatus.UNKNOWN
    assert by_name(found)["nodes"].asked
