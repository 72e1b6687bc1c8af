"""Several stores in one process: each object of ours opens its own, and the last one to open an alias owns it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from smart_cron.core.errors import RestoredDatabaseError
from smart_cron.core.node import NodeIdentity
from smart_cron.store.gateway import open_store


def test_a_store_opened_again_under_the_same_alias_writes_in_its_own_transaction(tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'smart-cron.db'}"
    first = open_store(url, alias="twice", timeout_seconds=1)
    first.database.migrate()
    open_store(url, alias="twice", timeout_seconds=1)

    with first.database.transaction():
        first.session.execute("INSERT INTO smart_cron_holds (kind, reason, actor) VALUES ('a', 'b', 'c')")

    assert len(first.holds.holds()) == 1
    first.database.close()


def test_a_node_sees_that_its_sqlite_file_was_replaced_by_an_older_copy(tmp_path: Path) -> None:
    path = tmp_path / "smart-cron.db"
    store = open_store(f"sqlite://{path}", alias="replaced", timeout_seconds=1)
    store.database.migrate()
    node = NodeIdentity(name="one", identity="a", boot_id="b", host="here", version="1", master_pid=1, max_concurrent=1)
    silence = timedelta(seconds=30)
    store.session.execute("INSERT INTO smart_cron_executions (task_id, task_name, status) VALUES (1, 'x', 'success')")
    store.nodes.register(node, beaten=0, silence=silence)
    store.database.close()
    copy = path.read_bytes()
    assert store.nodes.beat(node, beaten=1, silence=silence) == 2
    assert store.nodes.beat(node, beaten=2, silence=silence) == 3

    path.with_suffix(".copy").write_bytes(copy)
    path.with_suffix(".copy").rename(path)
    # What SQLite had not moved into the old file yet is no part of the copy.
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)

    with pytest.raises(RestoredDatabaseError):
        store.nodes.beat(node, beaten=3, silence=silence)
    store.database.close()
