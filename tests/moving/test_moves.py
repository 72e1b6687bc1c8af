"""The database moves whole, in every direction, and what cannot move is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.moving.conftest import fill
from tests.servers import Server

from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError
from smart_cron.core.move import InvalidRowsError, MoveProgress, MoveRefusedError, OnInvalid
from smart_cron.core.node import HoldKind
from smart_cron.moving import Move, Moved, take_back
from smart_cron.store.gateway import Store
from smart_cron.store.moving import arrival, copying, counters
from smart_cron.store.moving.canon import Canon
from smart_cron.store.moving.reading import Reader
from smart_cron.wiring import House

pytestmark = pytest.mark.slow

EmptyDatabase = Callable[[str, str], str]
HouseOf = Callable[..., House]
Opened = Callable[[str], Store]


def moved(house: House, url: str, *, on_invalid: OnInvalid = OnInvalid.REFUSE) -> Moved:
    return Move(house, url, actor="test", on_invalid=on_invalid, tell=lambda _: None).run()


def content(store: Store, *, narrow: bool = True) -> dict[str, list[list[object]]]:
    """Return all rows but those that the move itself writes."""
    found = {}
    for table in arrival.moved_tables():
        if table.name == "smart_cron_audit_head":
            continue  # It counts these.
        canon = Canon(table, source=store.session.dialect, target=store.session.dialect, narrow=narrow)
        rows = [row for page in Reader(store.session, table).pages() for row in page]
        assert all(map(canon.fits, rows))
        action = table.names.index("action") if "action" in table.names else None
        found[table.name] = [row for row in rows if action is None or row[action] not in ("move", "hold", "release")]
    return found


def test_every_row_is_the_same_from_sqlite_to_mariadb_to_postgresql_and_back(
    house_of: HouseOf, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    urls = ["", empty_database("mariadb", "there"), empty_database("postgresql", "there"), f"sqlite://{tmp_path}/n.db"]
    house = house_of()
    fill(house.store)
    before = content(house.store)

    for url in urls[1:]:
        done = moved(house, url)
        house = house_of(url)

        assert content(house.store) == before
        assert done.rows >= sum(map(len, before.values()))
        assert house.store.holds.holds() == []


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_any_text_arrives_as_it_was(kind: str, house_of: HouseOf, empty_database: EmptyDatabase) -> None:
    chance, url = random.Random(5), empty_database(kind, "texts")
    letters = [chr(code) for code in (*range(1, 300), 0x2028, 0xFFFD, 0x1F40E)] + ["\\", '"', "'", "\\u", "\\f"] * 20
    house = house_of()
    house.store.session.execute_each(
        "INSERT INTO smart_cron_executions (id, task_id, task_name, stdout_output) VALUES (%s, 1, 'odd', %s)",
        [[number, "".join(chance.choices(letters, k=60))] for number in range(1000, 1300)],
    )

    before = content(house.store)
    moved(house, url)

    assert content(house_of(url).store) == before


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_numbers_go_on_behind_the_highest_that_was_ever_given(
    kind: str, house_of: HouseOf, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    house, url = house_of(), empty_database(kind, "numbers")
    fill(house.store)
    house.store.session.execute("INSERT INTO smart_cron_executions (id, task_id, task_name) VALUES (500, 1, 'gone')")
    house.store.session.execute("DELETE FROM smart_cron_executions WHERE id = 500")
    insert = "INSERT INTO smart_cron_executions (task_id, task_name) VALUES (%s, %s)"

    moved(house, url)
    there = house_of(url)
    moved(there, f"sqlite://{tmp_path}/back.db")

    assert there.store.session.insert(insert, [1, "next"]) == 501
    assert house_of(f"sqlite://{tmp_path}/back.db").store.session.insert(insert, [1, "next"]) == 501


def test_what_cannot_move_is_told_with_table_and_number_before_anything_is_final(
    house_of: HouseOf, empty_database: EmptyDatabase
) -> None:
    house, url = house_of(), empty_database("postgresql", "invalid")
    spoil(house.store)

    with pytest.raises(InvalidRowsError) as told:
        moved(house, url)

    assert [str(value).split(":")[0] for value in told.value.found.told] == [
        "smart_cron_tasks_config 1, task_description",
        "smart_cron_executions 2, stdout_output",
        "smart_cron_executions 3, exit_code",
        "smart_cron_executions 3, reason",
    ]
    assert "bytes that are no text" in told.value.message
    assert "--invalid mend" in told.value.remedy


def test_a_move_is_taken_back_while_nothing_was_done_with_the_new_database(
    house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened
) -> None:
    url = empty_database("mariadb", "unused")
    house = house_of()
    fill(house.store)
    moved(house, url)

    take_back(house, actor="test")

    assert house.store.holds.holds() == []


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_a_move_is_not_taken_back_once_the_new_database_was_used(
    kind: str, house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened
) -> None:
    url = empty_database(kind, "used")
    house = house_of()
    fill(house.store)
    moved(house, url)
    new = opened(url)
    (first, *_) = new.tasks.list()
    new.tasks.request_run(first.id, arguments=None, actor="ann", now=house.clock.now())

    with pytest.raises(MoveRefusedError, match="this one lacks 1 runs, 1 entries of the audit log") as told:
        take_back(house, actor="test")

    assert "--force" in told.value.remedy
    assert "db move --to" in told.value.remedy
    assert [hold.kind for hold in house.store.holds.holds()] == [HoldKind.MOVED]
    assert take_back(house, actor="test", force=True).kind == HoldKind.MOVED


def test_a_move_is_not_taken_back_where_the_new_database_cannot_be_asked(
    house_of: HouseOf, tmp_path: Path, mariadb: Server
) -> None:
    house, place = house_of(), tmp_path / "new.db"
    moved(house, f"sqlite://{place}")
    for file in tmp_path.glob("new.db*"):
        file.unlink()
    place.write_bytes(b"no database at all" * 100)
    with pytest.raises(MoveRefusedError, match="cannot be asked"):
        take_back(house, actor="test")

    house.store.session.execute(
        "UPDATE smart_cron_holds SET reason = REPLACE(reason, %s, %s)", ["sqlite://", "mysql://root:***@h"]
    )
    with pytest.raises(MoveRefusedError, match="its password was not kept") as told:
        take_back(house, actor="test")
    assert "--to-file" in told.value.remedy
    with pytest.raises(MoveRefusedError, match="cannot be asked"):
        take_back(house, actor="test", url="mysql://root:canary@127.0.0.1:1/nowhere")


def test_what_cannot_move_is_mended_or_left_out_where_somebody_says_so(
    house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened
) -> None:
    mended, kept = empty_database("postgresql", "mended"), empty_database("postgresql", "kept")
    house = house_of()
    spoil(house.store)

    first = moved(house, mended, on_invalid=OnInvalid.MEND)
    take_back(house, actor="test")
    second = moved(house, kept, on_invalid=OnInvalid.LEAVE_OUT)

    rows = "SELECT id, exit_code, stdout_output, length(reason) FROM smart_cron_executions ORDER BY id"
    assert opened(mended).session.rows(rows) == [
        (1, None, "whole", None),
        (2, None, "a\ufffdb", None),
        (3, None, None, 255),
    ]
    assert opened(kept).session.rows(rows) == [(1, None, "whole", None)]
    assert (first.invalid_count, second.invalid_count) == (4, 4)


def spoil(store: Store) -> None:
    """Write what SQLite keeps and no server holds."""
    session = store.session
    session.execute(
        "INSERT INTO smart_cron_tasks_config (id, task_name, schedule_pattern, task_description, enabled)"
        " VALUES (1, 'odd', '@daily', CAST(X'6128ff29' AS TEXT), 0)"
    )
    session.execute_each(
        "INSERT INTO smart_cron_executions (id, task_id, task_name, stdout_output, exit_code, reason)"
        " VALUES (%s, 1, 'odd', %s, %s, %s)",
        [[1, "whole", None, None], [2, "a\0b", None, None], [3, None, "seven", "r" * 300]],
    )


def test_zero_dates_of_mariadb_are_told_and_mended_to_none(
    house_of: HouseOf, empty_database: EmptyDatabase, mariadb: Server
) -> None:
    url = empty_database("mariadb", "zero")
    moved(house_of(), url)
    mariadb.run_sql(
        "INSERT INTO smart_cron_executions (id, task_id, task_name, completed_at) VALUES (9, 1, 'x', '0000-00-00')",
        "zero",
    )
    there, back = house_of(url), empty_database("postgresql", "zero")

    with pytest.raises(InvalidRowsError, match=r"smart_cron_executions 9, completed_at: '0000-00-00 .*' is no date"):
        moved(there, back)

    assert moved(there, back, on_invalid=OnInvalid.MEND).invalid_count == 1
    assert house_of(back).store.session.row("SELECT completed_at FROM smart_cron_executions WHERE id = 9") == (None,)


def test_a_database_with_rows_of_its_own_is_refused_and_they_are_named(
    house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened
) -> None:
    url = empty_database("mariadb", "full")
    opened(url).database.migrate()
    fill(opened(url))

    with pytest.raises(MoveRefusedError, match="smart_cron_audit_log, smart_cron_executions, smart_cron_tasks_config"):
        moved(house_of(), url)


def test_a_table_of_another_program_is_refused(
    house_of: HouseOf, empty_database: EmptyDatabase, mariadb: Server
) -> None:
    url = empty_database("mariadb", "strangers")
    mariadb.run_sql("CREATE TABLE smart_cron_alerts (mine INT)", "strangers")

    with pytest.raises(DatabaseError, match="tables of another program with names of ours: smart_cron_alerts"):
        moved(house_of(), url)


def test_the_empty_tables_of_a_first_migration_cut_short_are_no_obstacle(
    house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened
) -> None:
    url = empty_database("mariadb", "cut")
    opened(url).database.migrate()
    opened(url).session.execute("DROP TABLE smart_cron_alerts")
    opened(url).session.execute("DELETE FROM django_migrations WHERE app = 'smart_cron' AND name <> '0001_initial'")
    house = house_of()
    fill(house.store)

    assert moved(house, url).rows


def test_a_move_goes_on_after_the_connection_was_lost(
    house_of: HouseOf, empty_database: EmptyDatabase, mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", 1000)
    house, url = house_of(), empty_database("mariadb", "lost")
    fill(house.store, runs=3000)

    def cut(progress: MoveProgress) -> None:
        if progress.table == "smart_cron_executions" and progress.step == "copying" and progress.rows > 2000:
            ids = mariadb.run_sql("SELECT id FROM information_schema.processlist WHERE db = 'lost'").split()
            for number in ids:
                # One that went by itself meanwhile needs no KILL.
                with suppress(RuntimeError):
                    mariadb.run_sql(f"KILL {number}")

    with pytest.raises(DatabaseUnavailableError):
        Move(house, url, actor="test", on_invalid=OnInvalid.REFUSE, tell=cut).run()
    done = moved(house, url)

    assert 0 < done.tables[-1].resumed < 3000
    assert done.tables[-1].rows == 3000


def test_what_was_changed_between_two_calls_is_copied_anew(
    house_of: HouseOf, empty_database: EmptyDatabase, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    house, url = house_of(), empty_database("postgresql", "changed")
    fill(house.store)
    with monkeypatch.context() as patch:
        patch.setattr(arrival, "complete", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            moved(house, url)
    house.store.session.execute("UPDATE smart_cron_executions SET task_name = 'other' WHERE id = 12")

    assert moved(house, url).tables[-1].resumed == 0
    assert opened(url).session.row("SELECT task_name FROM smart_cron_executions WHERE id = 12") == ("other",)


def _interrupt(*_: object, **__: object) -> list[str]:
    raise KeyboardInterrupt


def test_the_old_database_is_held_for_good_and_the_new_one_only_while_it_is_not_whole(
    house_of: HouseOf, empty_database: EmptyDatabase, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    house, url = house_of(), empty_database("postgresql", "held")
    with monkeypatch.context() as patch:
        patch.setattr(arrival, "complete", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            moved(house, url)
    between = [hold.kind for hold in opened(url).holds.holds()]
    moved(house, url)

    assert between == [HoldKind.ARRIVING]
    assert opened(url).holds.holds() == []
    assert [hold.kind for hold in house.store.holds.holds()] == [HoldKind.MOVED]


def test_holds_that_stood_go_along(house_of: HouseOf, empty_database: EmptyDatabase, opened: Opened) -> None:
    house, url = house_of(), empty_database("mariadb", "holds")
    house.store.holds.hold(HoldKind.STOPPED, reason="until Monday", actor="me")

    moved(house, url)

    assert [(hold.kind, hold.reason) for hold in opened(url).holds.holds()] == [(HoldKind.STOPPED, "until Monday")]


def test_another_node_that_works_or_holds_runs_is_named(house_of: HouseOf, tmp_path: Path) -> None:
    house = house_of()
    now = house.store.session.dialect.now_expression
    house.store.session.execute(
        f"""INSERT INTO smart_cron_nodes (node_name, identity, boot_id, host, version, max_concurrent, heartbeat_at)
         VALUES ('web-2', 'x', 'y', 'web-2', '1', 10, {now})"""
    )
    with pytest.raises(MoveRefusedError, match="masters work with this database on web-2"):
        moved(house, f"sqlite://{tmp_path}/new.db")
    house.store.session.execute(f"UPDATE smart_cron_nodes SET stopped_at = {now}")
    house.store.session.execute(
        "INSERT INTO smart_cron_executions (task_id, task_name, status, node) VALUES (1, 'x', 'running', 'web-2')"
    )

    with pytest.raises(MoveRefusedError, match="other nodes hold runs: 1 on web-2"):
        moved(house, f"sqlite://{tmp_path}/new.db")


def test_columns_that_somebody_added_are_named_as_left_behind(house_of: HouseOf, tmp_path: Path) -> None:
    house = house_of()
    house.store.session.execute("ALTER TABLE smart_cron_alerts ADD COLUMN ticket TEXT")

    done = moved(house, f"sqlite://{tmp_path}/new.db")

    assert done.left_behind == ["smart_cron_alerts.ticket"]


def test_counters_of_an_empty_table_begin_anew(house_of: HouseOf) -> None:
    session = house_of().store.session

    assert counters.last_given(session, arrival.holds_table()) == 0
