"""The audit log: every row is sealed to the one before it, and whatever is done to the log by hand is found."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from tests.conformance.scene import Scene, definition
from tests.emptying import unguarded
from tests.servers import Server

from smart_cron.core.audit import GENESIS, Actor, AuditFilter, AuditReport, Fault, Source
from smart_cron.core.errors import DatabaseError
from smart_cron.store import audit_guard
from smart_cron.store.gateway import Store, open_store

PRINTS_GRANTS = """SELECT CONCAT('GRANT SELECT, INSERT, UPDATE, DELETE ON ', table_schema, '.', table_name,
    ' TO app@localhost;') FROM information_schema.tables
 WHERE table_schema = 'smart_cron' AND table_type = 'BASE TABLE' AND table_name <> 'smart_cron_audit_log'
   AND (table_name LIKE 'smart\\_cron\\_%' OR table_name = 'django_migrations')"""
GRANTS = {
    "mysql": [
        "CREATE OR REPLACE USER app@localhost IDENTIFIED BY 'pw'",
        "GRANT SELECT, INSERT ON smart_cron.smart_cron_audit_log TO app@localhost",
    ],
    "postgresql": [
        "CREATE ROLE app LOGIN",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO app",
        "REVOKE UPDATE, DELETE, TRUNCATE ON smart_cron_audit_log FROM app",
    ],
}
WEB = Actor("ann", source=Source.PAGE, user_id=7, ip_address="192.0.2.9")


@pytest.fixture
def log(scene: Scene) -> Scene:
    """Five rows, by three hands."""
    task = scene.add(description='"quoted", ünï\x1b[31m', environment={"KEY": "canary-1"})
    scene.store.tasks.set_enabled(task.id, False, actor=WEB)
    scene.store.tasks.set_enabled(task.id, True, actor="cli:bob")
    scene.store.holds.hold("stop", reason="a\nb", actor="node one")
    scene.store.holds.release("stop", actor="cli:bob")
    return scene


def ids(log: Scene) -> list[int]:
    return [row[0] for row in log.store.session.rows("SELECT id FROM smart_cron_audit_log ORDER BY id")]


def told(report: AuditReport) -> list[tuple[int | None, Fault]]:
    return [(bad.id, bad.fault) for bad in report.bad]


def by_hand(log: Scene, sql: str, *params: object) -> None:
    with unguarded(log.store.session):
        log.sql(sql, params)


def test_a_log_that_nobody_touched_is_whole(log: Scene) -> None:
    report = log.store.audit.verify()

    assert report.is_whole, report.bad
    assert (report.sealed, report.unsealed_before, report.first_sealed_id) == (5, 0, ids(log)[0])
    head = log.store.audit.head()
    assert head is not None
    assert (head.sealed_rows, head.last_id) == (5, ids(log)[-1])
    first = log.store.session.row("SELECT previous_hash FROM smart_cron_audit_log ORDER BY id LIMIT 1")
    assert first == (GENESIS,)


def test_an_empty_log_is_whole(scene: Scene) -> None:
    assert scene.store.audit.verify() == AuditReport()


@pytest.mark.parametrize("sets", ["actor = 'eve'", "new_values = NULL", "source = 'cli'", "user_id = 8"])
def test_a_row_that_was_edited_by_hand_is_named(log: Scene, sets: str) -> None:
    by_hand(log, f"UPDATE smart_cron_audit_log SET {sets} WHERE id = %s", ids(log)[1])

    assert told(log.store.audit.verify()) == [(ids(log)[1], Fault.CHANGED)]


def test_an_instant_that_was_moved_by_a_microsecond_is_found(log: Scene) -> None:
    entry = log.store.audit.entries(AuditFilter())[2]
    assert entry.created_at is not None
    moved = log.store.session.dialect.instant(entry.created_at + timedelta(microseconds=1))

    by_hand(log, "UPDATE smart_cron_audit_log SET created_at = %s WHERE id = %s", moved, entry.id)

    assert told(log.store.audit.verify()) == [(entry.id, Fault.CHANGED)]


def test_a_deleted_row_is_missed_before_the_one_that_follows(log: Scene) -> None:
    numbers = ids(log)
    by_hand(log, "DELETE FROM smart_cron_audit_log WHERE id = %s", numbers[2])

    assert told(log.store.audit.verify()) == [(numbers[3], Fault.MISSING_BEFORE)]


def test_a_cut_beginning_is_found(log: Scene) -> None:
    numbers = ids(log)
    by_hand(log, "DELETE FROM smart_cron_audit_log WHERE id < %s", numbers[2])

    assert told(log.store.audit.verify()) == [(numbers[2], Fault.MISSING_BEFORE)]


def test_rows_that_changed_places_are_found(log: Scene) -> None:
    first, second = ids(log)[1:3]
    with unguarded(log.store.session):
        for old, new in ((first, 10**6), (second, first), (10**6, second)):
            log.sql("UPDATE smart_cron_audit_log SET id = %s WHERE id = %s", [new, old])

    found = told(log.store.audit.verify())

    assert found[:2] == [(first, Fault.MISSING_BEFORE), (second, Fault.MISSING_BEFORE)]


def test_a_cut_end_is_found_and_stays_found_when_the_log_goes_on(log: Scene) -> None:
    numbers = ids(log)
    by_hand(log, "DELETE FROM smart_cron_audit_log WHERE id >= %s", numbers[3])
    assert told(log.store.audit.verify()) == [(numbers[-1], Fault.HEAD_CUT)]

    log.add("other")

    assert told(log.store.audit.verify()) == [(ids(log)[-1], Fault.MISSING_BEFORE)]


def test_a_log_that_was_emptied_is_found(log: Scene) -> None:
    last = ids(log)[-1]
    by_hand(log, "DELETE FROM smart_cron_audit_log")

    assert told(log.store.audit.verify()) == [(last, Fault.HEAD_CUT)]


def test_an_end_that_was_cut_together_with_the_row_that_tells_it_is_known_to_whoever_remembers(log: Scene) -> None:
    head = log.store.audit.head()
    assert head is not None
    numbers = ids(log)
    assert log.store.audit.holds(head)
    by_hand(log, "DELETE FROM smart_cron_audit_log WHERE id = %s", numbers[-1])
    kept = log.store.session.row("SELECT row_hash FROM smart_cron_audit_log WHERE id = %s", [numbers[-2]])
    assert kept is not None
    log.sql("UPDATE smart_cron_audit_head SET sealed_rows = 4, last_id = %s, row_hash = %s", [numbers[-2], kept[0]])

    assert log.store.audit.verify().is_whole
    assert told(log.store.audit.verify([head])) == [(numbers[-1], Fault.HEAD_CUT)]
    assert not log.store.audit.holds(head)


def test_the_row_that_tells_the_end_is_missed(log: Scene) -> None:
    log.sql("DELETE FROM smart_cron_audit_head")
    assert told(log.store.audit.verify()) == [(None, Fault.HEAD_CUT)]

    log.add("other")

    assert told(log.store.audit.verify()) == [(ids(log)[-1], Fault.HEAD_CUT)]


def test_rows_of_before_the_chain_are_counted_and_rows_that_somebody_wrote_into_it_are_told(scene: Scene) -> None:
    scene.sql("INSERT INTO smart_cron_audit_log (actor, action, entity_type) VALUES ('old', 'create', 'task')")
    scene.add()
    scene.sql("INSERT INTO smart_cron_audit_log (actor, action, entity_type) VALUES ('eve', 'create', 'task')")
    scene.add("other")

    report = scene.store.audit.verify()

    assert (report.sealed, report.unsealed_before) == (2, 1)
    assert told(report) == [(ids(scene)[2], Fault.NOT_SEALED)]


def test_who_and_from_where_stand_in_each_row_and_no_secret(log: Scene) -> None:
    entries = log.store.audit.entries(AuditFilter())

    assert [(each.actor, each.source, each.action) for each in entries] == [
        ("cli:bob", "cli", "release"),
        ("node one", "engine", "hold"),
        ("cli:bob", "cli", "enable"),
        ("ann", "page", "disable"),
        ("test", "api", "create"),
    ]
    assert (entries[3].user_id, entries[3].ip_address) == (7, "192.0.2.9")
    assert "canary-1" not in str(entries)
    assert '"environment": "(hidden)"' in str(entries[-1].new_values)


def test_rows_are_found_by_task_user_action_time_and_page(log: Scene) -> None:
    task, other = log.task(), log.add("other")
    log.store.tasks.set_next_run(other.id, log.store.database.now(), actor="cli:bob")

    def actions(before_id: int | None = None, limit: int = 50, **wanted: object) -> list[str]:
        asked = AuditFilter(**wanted)  # type: ignore[arg-type]
        return [each.action for each in log.store.audit.entries(asked, before_id=before_id, limit=limit)]

    assert actions(task="report", task_id=task.id) == ["enable", "disable", "create"]
    assert actions(user="bob") == ["update", "release", "enable"]
    assert actions(user="bob", action="enable") == ["enable"]
    assert actions(since=log.store.database.now() + timedelta(hours=1)) == []
    assert actions(until=log.store.database.now() - timedelta(hours=1)) == []
    assert actions(before_id=ids(log)[3], limit=2) == ["enable", "disable"]


def test_all_rows_of_a_transaction_are_undone_with_it_and_leave_no_gap(log: Scene) -> None:
    with suppress(ZeroDivisionError), log.store.database.transaction():
        log.add("undone")
        raise ZeroDivisionError
    with log.store.database.transaction():
        log.add("first")
        log.add("second")

    report = log.store.audit.verify()

    assert report.is_whole, report.bad
    assert report.sealed == 7


def test_writers_at_the_same_time_keep_one_chain(store: Store) -> None:
    """Each in transactions of its own that lock tasks in different orders before they come to the log."""
    tasks = [store.tasks.add(definition(f"task-{number}"), actor="test") for number in range(4)]
    together, faults = threading.Barrier(3), list[BaseException]()

    def write(mine: int) -> None:
        try:
            together.wait(30)
            for turn in range(8):
                store.tasks.set_enabled(tasks[(mine + turn) % 4].id, bool(turn % 2), actor=f"cli:w{mine}")
                store.holds.hold(f"kind-{mine}-{turn}", reason="r", actor=f"cli:w{mine}")
        except BaseException as fault:  # noqa: BLE001  handed to the test
            faults.append(fault)
        finally:
            store.database.close()

    writers = [threading.Thread(target=write, args=[mine]) for mine in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    assert faults == []
    report = store.audit.verify()
    assert report.is_whole, report.bad
    assert report.sealed == 4 + 3 * 8 * 2


def test_the_log_refuses_to_be_changed(log: Scene) -> None:
    statements = ["UPDATE smart_cron_audit_log SET actor = 'eve'", "DELETE FROM smart_cron_audit_log"]
    if log.store.session.dialect.name == "postgresql":
        statements.append("TRUNCATE smart_cron_audit_log")

    for statement in statements:
        with pytest.raises(DatabaseError, match="neither changed nor deleted"):
            log.sql(statement)

    assert log.store.audit.unguarded() is None
    assert log.store.audit.verify().is_whole


def test_a_row_cannot_be_replaced_by_one_with_its_number(log: Scene) -> None:
    """SQLite deletes what is in the way of a REPLACE without a word to the triggers on DELETE."""
    if log.store.session.dialect.name == "postgresql":
        return  # It has no such statement; ON CONFLICT DO UPDATE is an UPDATE.
    columns = "id, actor, action, entity_type, entity_id, entity_name"

    with pytest.raises(DatabaseError, match="neither changed nor deleted"):
        log.sql(
            f"REPLACE INTO smart_cron_audit_log ({columns}) SELECT id, 'eve', 'x', 'task', 1, 'x'"
            " FROM smart_cron_audit_log WHERE id = (SELECT MIN(id) FROM smart_cron_audit_log)"
        )

    assert log.store.audit.verify().is_whole


def test_triggers_that_are_missing_are_told_and_made_anew_by_a_migration(log: Scene) -> None:
    audit_guard.drop(log.store.session)
    assert "smart_cron_audit_no_delete" in str(log.store.audit.unguarded())

    log.store.database.migrate()

    assert log.store.audit.unguarded() is None


@pytest.mark.slow
def test_a_server_that_refuses_triggers_is_told_of_and_everything_else_goes_on(
    request: pytest.FixtureRequest, opened: Callable[[str], Store]
) -> None:
    """MariaDB with an account that has no right to them; a root account lets everything be."""
    server = request.getfixturevalue("mariadb")
    opened("mariadb")
    name = "untriggered"
    server.drop_database(name)
    rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"
    url = server.create_database(name).replace("root@", "few:pw@", 1)
    server.run_sql(
        f"CREATE OR REPLACE USER few@localhost IDENTIFIED BY 'pw'; GRANT {rights} ON {name}.* TO few@localhost"
    )
    store = open_store(url, alias=name, timeout_seconds=10)
    try:
        store.database.migrate()
        sentences = audit_guard.create(store.session)
        store.tasks.add(definition(), actor="test")

        assert len(sentences) == 1
        assert "cannot be made" in sentences[0]
        assert "can be changed and deleted" in str(store.audit.unguarded())
        assert store.audit.verify().is_whole
    finally:
        store.database.close()
        server.drop_database(name)


@pytest.mark.slow
def test_security_32_an_account_that_may_only_add_rows_is_all_that_is_needed(
    server_store: Store, server: Server
) -> None:
    """With the grants of docs/audit.md, and without the triggers."""
    for statement in GRANTS[server_store.session.dialect.name]:
        server.run_sql(statement, "smart_cron")
    if server_store.session.dialect.name == "mysql":
        for statement in server.run_sql(PRINTS_GRANTS, "smart_cron").splitlines():
            server.run_sql(statement, "smart_cron")
    url = server.url("smart_cron").replace("root@", "app:pw@", 1).replace("postgres@", "app@", 1)
    app = open_store(url, alias="app", timeout_seconds=10)
    try:
        with unguarded(server_store.session):
            task = app.tasks.add(definition(), actor="test")
            app.tasks.set_enabled(task.id, False, actor="test")

            assert app.audit.unguarded() is None
            for statement in ("DELETE FROM smart_cron_audit_log", "UPDATE smart_cron_audit_log SET actor = 'eve'"):
                with pytest.raises(DatabaseError, match="denied"):
                    app.session.execute(statement)
            assert app.audit.verify().is_whole
    finally:
        app.database.close()
