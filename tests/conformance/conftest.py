"""One suite, three real databases, one run: each test that asks for `store` runs on all of them.

A server is started when the first test of this process asks for it, and emptied between tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.scene import Scene
from tests.emptying import empty
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron.store.gateway import Store, open_store

DATABASES = ("sqlite", "mariadb", "postgresql")
TABLES = (
    "smart_cron_tasks_config",
    "smart_cron_task_revisions",
    "smart_cron_executions",
    "smart_cron_skipped_slots",
    "smart_cron_alerts",
    "smart_cron_audit_log",
    "smart_cron_nodes",
    "smart_cron_holds",
    "smart_cron_health_checks",
    "smart_cron_metrics",
    "smart_cron_rate_limits",
    "smart_cron_backups",
    "smart_cron_deliveries",
    "smart_cron_node_samples",
    "smart_cron_ping_checks",
)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="session")
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Store]]:
    """Return a migrated store by its database's name; each is made once."""
    stores: dict[str, Store] = {}

    def open_once(database: str) -> Store:
        if database not in stores:
            url = _url(database, request, tmp_path_factory)
            stores[database] = open_store(url, alias=database, timeout_seconds=10)
            stores[database].database.migrate()
        return stores[database]

    yield open_once
    for store in stores.values():
        store.database.close()


def _url(database: str, request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> str:
    if database == "sqlite":
        return f"sqlite://{folders.mktemp('sqlite') / 'smart-cron.db'}"
    server: Server = request.getfixturevalue(database)
    return server.create_database("smart_cron")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(database: str, opened: Callable[[str], Store]) -> Store:
    return emptied(opened(database))


@pytest.fixture
def mariadb_store(opened: Callable[[str], Store]) -> Store:
    return emptied(opened("mariadb"))


@pytest.fixture(params=("mariadb", "postgresql"))
def server_store(request: pytest.FixtureRequest, opened: Callable[[str], Store]) -> Store:
    return emptied(opened(request.param))


@pytest.fixture
def server(server_store: Store, request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(server_store.session.alias)
    return found


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


@pytest.fixture
def mariadb_scene(mariadb_store: Store) -> Scene:
    return Scene(mariadb_store)


@pytest.fixture
def server_scene(server_store: Store) -> Scene:
    return Scene(server_store)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path / 'smart-cron.db'}"


def emptied(store: Store) -> Store:
    empty(store.session, TABLES)
    return store
