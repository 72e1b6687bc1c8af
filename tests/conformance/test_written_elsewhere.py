"""Whether a look at the database is worth its while."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.conformance.scene import Scene

from smart_cron.store.gateway import Store, open_store


def test_sqlite_tells_when_another_connection_has_written(sqlite_url: str) -> None:
    ours = open_store(sqlite_url, alias="ours", timeout_seconds=5)
    ours.database.migrate()
    theirs = open_store(sqlite_url, alias="theirs", timeout_seconds=5)
    ours.database.written_elsewhere()

    Scene(ours).add("own")
    assert not ours.database.written_elsewhere()
    Scene(theirs).add("other")
    assert ours.database.written_elsewhere()
    assert not ours.database.written_elsewhere()

    ours.database.close()
    theirs.database.close()


def test_each_thread_of_sqlite_is_told_for_itself(sqlite_url: str) -> None:
    ours = open_store(sqlite_url, alias="ours", timeout_seconds=5)
    ours.database.migrate()
    assert ours.database.written_elsewhere()

    def work() -> tuple[bool, bool]:
        try:
            first = ours.database.written_elsewhere()
            Scene(ours).add("elsewhere")
            return first, ours.database.written_elsewhere()
        finally:
            ours.database.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == (True, False)
    assert ours.database.written_elsewhere()
    assert not ours.database.written_elsewhere()
    ours.database.close()
    assert ours.database.written_elsewhere()
    ours.database.close()


def test_a_server_cannot_tell_and_so_is_always_asked(server_store: Store) -> None:
    assert server_store.database.written_elsewhere()
    assert server_store.database.written_elsewhere()
