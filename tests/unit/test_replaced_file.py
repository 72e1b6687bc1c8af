"""A SQLite file that another one takes the place of, as a restore does: who sees it, and when."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_cron.core.task import TaskDefinition
from smart_cron.store.gateway import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'smart-cron.db'}", alias="replaced_file")
    store.database.migrate()
    yield store
    store.database.close()


def names(store: Store) -> list[str]:
    return [task.name for task in store.tasks.list()]


def restore_the_file_without(store: Store, folder: Path, name: str) -> None:
    """Put a copy from before the task *name* in the place of the file that is open."""
    store.database.close()
    shutil.copy(folder / "smart-cron.db", folder / "backup.db")
    store.tasks.add(TaskDefinition(name=name, script="/bin/true", schedule="@daily"), actor="test")
    assert names(store) == [name]
    put_in_place(folder)


def put_in_place(folder: Path) -> None:
    """Put the backup where the database is; a log left beside it would be played into it."""
    for end in ("-wal", "-shm"):
        (folder / f"smart-cron.db{end}").unlink(missing_ok=True)
    os.replace(folder / "backup.db", folder / "smart-cron.db")


@pytest.mark.slow
def test_who_asks_sees_the_file_that_is_there(store: Store, tmp_path: Path) -> None:
    restore_the_file_without(store, tmp_path, "later")

    assert names(store) == []
    with store.database.transaction():
        assert names(store) == []


@pytest.mark.slow
def test_a_master_goes_over_only_where_it_looks_whether_that_is_its_database(store: Store, tmp_path: Path) -> None:
    store.session.follow_by_hand()
    restore_the_file_without(store, tmp_path, "later")

    assert names(store) == ["later"]
    store.session.follow_file()
    assert names(store) == []


@pytest.mark.slow
def test_a_transaction_stays_in_the_file_that_it_began_in(store: Store, tmp_path: Path) -> None:
    store.database.close()
    shutil.copy(tmp_path / "smart-cron.db", tmp_path / "backup.db")

    with store.database.transaction():
        store.tasks.add(TaskDefinition(name="later", script="/bin/true", schedule="@daily"), actor="test")
        put_in_place(tmp_path)
        assert names(store) == ["later"]
    assert names(store) == []
