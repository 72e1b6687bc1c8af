"""A SQLite file whose disk takes nothing more is told as that, and not as a server to be started."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from django.db import utils as django_errors

from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.services.diagnosis.refusals import refusal_of
from smart_cron.store.faults import translated
from smart_cron.store.gateway import open_store


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/x.db", timeout_seconds=5)
    store.database.migrate()
    # As many pages as there are: SQLite's own way of being on a full disk.
    store.session.execute("PRAGMA max_page_count = 1")

    with pytest.raises(DatabaseUnavailableError) as caught:
        store.session.execute("CREATE TABLE more AS SELECT zeroblob(100000) AS filler")
    store.database.close()

    assert caught.value.message == "the database cannot be written: its disk is full (database or disk is full)."
    assert caught.value.remedy.startswith("Make room on the disk of the database file")


def test_an_input_output_error_is_the_disks_and_keeps_its_name_for_the_doctor() -> None:
    error = django_errors.OperationalError("disk I/O error")
    error.__cause__ = sqlite3.OperationalError("disk I/O error")

    told = translated(error)

    assert told.message == "the database cannot be written: its disk is full, or fails (disk I/O error)."
    refusal = refusal_of(told.message)
    assert refusal is not None
    assert refusal.name == "the database has no room left on its disk"
