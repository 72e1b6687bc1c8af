"""Homes whose database moves, and the private servers that it moves to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.process.cli import Console
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron.config import Config, load_config
from smart_cron.store.gateway import Store, open_store
from smart_cron.wiring import House, open_house, prepare

# Whatever has a meaning of its own somewhere on the way: to JSON, COPY, SQL and UTF-8.
ODD_TEXTS = (
    "",
    "\\N",
    "\\",
    "\\u0041\\f\\0",
    "\t\n\r\f\b\x01\x1b\x7f",
    'it\'s "quoted" `so` %s %% ;--',
    "žluťoučký 🐎 ümläut 中文 \u2028\u2029\ufffd\U0010ffff",
    "NULL",
    "[1,null]",
)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with PostgreSql() as server:
        yield server


@pytest.fixture(scope="module")
def empty_database(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Return the URL of a database of that kind and name, without any table."""

    def make(kind: str, name: str) -> str:
        server: Server = request.getfixturevalue(kind)
        server.drop_database(name)
        return server.create_database(name)

    return make


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("prepared") / "home"
    prepare(load_config({"SMART_CRON_HOME": str(home), "SMART_CRON_TIME_ZONE": "UTC"}))
    return home


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    """A home with an empty SQLite database."""
    shutil.copytree(prepared, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def console(home: Path) -> Iterator[Console]:
    console = Console(home)
    try:
        yield console
    finally:
        console.close()


@pytest.fixture
def house_of(home: Path) -> Iterator[Callable[..., House]]:
    """Return the home's house, on its own database or on another one."""
    houses: list[House] = []

    def make(url: str = "") -> House:
        houses.append(open_house(config_of(home, url)))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


def config_of(home: Path, url: str = "") -> Config:
    named = {"SMART_CRON_DATABASE__URL": url} if url else {}
    return load_config({"SMART_CRON_HOME": str(home), "SMART_CRON_TIME_ZONE": "UTC", **named})


def fill(store: Store, *, runs: int = 30) -> None:
    """Write tasks, runs and audit rows whose values are as odd as all databases can hold."""
    first = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
    instant = store.session.dialect.instant
    with store.database.transaction():
        for number, text in enumerate(ODD_TEXTS, start=1):
            store.session.execute(
                "INSERT INTO smart_cron_tasks_config (id, task_name, task_description, shell_command, schedule_pattern,"
                " avg_execution_time, timed_seconds, next_run_at, enabled) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0)",
                [number * 7, f"task {number}", text, text, "0 0 1 1 *", 0.1 * number, 1 / 3, instant(first)],
            )
            store.session.execute(
                "INSERT INTO smart_cron_audit_log (id, actor, action, entity_type, new_values, row_hash)"
                " VALUES (%s, 'test', 'create', 'task', %s, %s)",
                [number * 5, text, "a" * 64],
            )
        rows = [
            [
                number,
                7,
                "task 1",
                "success",
                instant(first + timedelta(seconds=number, microseconds=number)),
                1.5 + number / 7,
                number,
                ODD_TEXTS[number % len(ODD_TEXTS)],
                1e9 + number / 3,
                f"run-{number}",
            ]
            for number in range(10, 10 + runs)
        ]
        store.session.execute_each(
            "INSERT INTO smart_cron_executions (id, task_id, task_name, status, scheduled_for, execution_time,"
            " exit_code, stdout_output, launch_deadline, run_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            rows,
        )


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    stores: list[Store] = []

    def make(url: str) -> Store:
        stores.append(open_store(url, alias=f"seen-{len(stores)}"))
        return stores[-1]

    yield make
    for store in stores:
        store.database.close()
