"""What is optional is not needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

OPEN_ON_SQLITE = """
import sys
sys.modules["psycopg"] = None  # as where the extra is not installed
from smart_cron.store.gateway import open_store
store = open_store("sqlite:///" + sys.argv[1], timeout_seconds=5)
store.database.migrate()
store.database.check()
"""


@pytest.mark.slow
def test_sqlite_needs_no_driver_of_postgresql(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("db") / "x.db"

    command = [sys.executable, "-c", OPEN_ON_SQLITE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
