"""The ledger against what tasks themselves did, read through real pipes, and its memory over a long stretch."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.cli import DEADLINE_SECONDS, Console

from smart_cron.config import load_config
from smart_cron.wiring import prepare

pytestmark = pytest.mark.slow

# The peak of this very program's memory: what rusage says of a child begins with what its parent held.
PEAK_OF = """
import sys
from smart_cron.faces.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code
status = open("/proc/self/status").read()
print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("p")
    prepare(load_config({"SMART_CRON_HOME": str(path)}))
    return path


@pytest.fixture
def console(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    home = tmp_path_factory.mktemp("c") / "h"
    shutil.copytree(prepared, home)
    console = Console(home)
    yield console
    console.close()


def _ledger(console: Console, *words: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in console.sure("ledger", "--jsonl", *words).splitlines()]


def _missed(console: Console, first: str, last: str, count: int) -> None:
    """Record a stretch of minutes of the task `report` that did not run."""
    path = console.home / "state" / "smart-cron.db"
    with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
        connection.execute(
            """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
                reason, schedule_pattern, time_zone)
             SELECT id, task_name, ?, ?, ?, 'missed', 'nobody was there', '* * * * *', 'UTC'
              FROM smart_cron_tasks_config WHERE task_name = 'report'""",
            [first, last, count],
        )


def test_a_run_stands_in_the_ledger_as_it_was(console: Console) -> None:
    console.add("report", "echo said; echo aside >&2; exit 3")
    console.sure("task", "edit", "report", "--next-run-at", "2020-01-01 00:00")
    console.sure("master", "--once")
    console.call("task", "run", "report", "--wait")

    by_slot, by_hand = _ledger(console)

    assert by_slot["scheduled_for"] == "2020-01-01T00:00:00.000000Z"
    assert by_hand["scheduled_for"] is None
    for line in (by_slot, by_hand):
        assert (line["task"], line["attempt"], line["status"]) == ("report", 1, "failed")
        assert (line["exit_code"], line["output_bytes"], line["output_truncated"]) == (3, len("said\naside\n"), False)
        assert line["output_sha256"] == hashlib.sha256(b"said\n").hexdigest()
        assert line["reason"] == "Exit code 3: aside"
    assert (by_slot["triggered_by"], by_hand["triggered_by"]) == ("cron", "manual")
    assert b"ran and failed with exit code 3" in console.sure("why", "report", "--at", "2020-01-01")


def test_what_missed_slots_became_is_told_slot_by_slot(console: Console) -> None:
    console.add("report", "true")
    console.sure("master", "--once")
    _missed(console, "2020-01-01 00:00:00.000000", "2020-01-01 00:59:00.000000", 60)

    found = _ledger(console, "--since", "2020-01-01 00:30", "--until", "2020-01-02")

    assert [line["scheduled_for"] for line in found] == [f"2020-01-01T00:{n}:00.000000Z" for n in range(30, 60)]
    assert b"The 60 slots from 2020-01-01 00:00" in console.sure("why", "report", "--since", "2020-01-01")


def test_a_reader_that_leaves_ends_the_ledger(console: Console) -> None:
    console.add("report", "true")
    _missed(console, "2020-01-01 00:00:00.000000", "2029-12-31 23:59:00.000000", 5_260_320)

    ledger = console.start("ledger", "--jsonl")
    assert ledger.stdout is not None
    assert json.loads(ledger.stdout.readline())["status"] == "missed"
    ledger.stdout.close()

    assert ledger.wait(timeout=DEADLINE_SECONDS) == 141


def test_a_long_stretch_takes_no_more_memory_than_a_short_one(console: Console) -> None:
    """Half a year and not ten, for the time it takes: what grew with slots would have grown by 100 MB."""
    console.add("report", "true")
    short = _peak_kilobytes(console, "ledger", "--jsonl", "--until", "2020-01-02")
    _missed(console, "2020-01-01 00:00:00.000000", "2020-06-30 23:59:00.000000", 262_080)
    long = _peak_kilobytes(console, "ledger", "--jsonl")

    assert long - short < 20_000


def _peak_kilobytes(console: Console, *words: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PEAK_OF, *words],
        env=console.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=True,
        timeout=DEADLINE_SECONDS,
    )
    return int(done.stderr)
