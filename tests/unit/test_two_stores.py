"""Several stores in one process: each object of ours opens its own, and the last one to open an alias owns it."""

from __future__ import annotations

from pathlib import Path

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
