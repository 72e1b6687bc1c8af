"""Procedures on MariaDB, functions on PostgreSQL, called as a person calls them; and MariaDB's event."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.conformance.conftest import emptied
from tests.conformance.scene import FAILED, MINUTE, SECOND, Scene
from tests.conformance.test_views import put
from tests.servers import Server

from smart_cron.core.run import PENDING_STATUSES
from smart_cron.store import derived
from smart_cron.store.gateway import Store, open_store
from smart_cron.store.public.events import DAYS, EVENT
from smart_cron.store.public.kept import BATCH, KEPT_RUNS
from smart_cron.store.public.routines import ROUTINES

DATABASE = "smart_cron"
DAY = timedelta(days=1)
SIDE = 33


class Person:
    """Somebody with the server's own client."""

    def __init__(self, server: Server, store: Store) -> None:
        self._server, self._is_mysql = server, store.session.dialect.name == "mysql"

    def calls(self, routine: str, *arguments: object) -> list[list[str]]:
        """Call a routine; return the rows that the client prints, by columns."""
        listed = ", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in arguments)
        verb = "CALL" if self._is_mysql else "SELECT * FROM"
        printed = self._server.run_sql(f"{verb} smart_cron_{routine}({listed})", DATABASE)
        return [line.replace("|", "\t").split("\t") for line in printed.splitlines() if line]


@pytest.fixture
def person(server: Server, server_store: Store) -> Person:
    return Person(server, server_store)


def runs(store: Store, count: int, *, task_id: int = 1, days: float = 40, **columns: object) -> None:
    """Add so many runs of a task that ended some days ago."""
    ended = datetime.now(UTC) - days * DAY
    run = {"task_id": task_id, "task_name": f"task{task_id}", "status": "success", "started_at": ended - MINUTE}
    with store.database.transaction():
        for _ in range(count):
            put(store, "executions", **(run | {"completed_at": ended} | columns))


def multiply_runs(store: Store, side: int) -> None:
    """Add a copy of each run for each cell of a square."""
    store.session.execute(
        f"""INSERT INTO smart_cron_executions (task_id, task_name, status, started_at, completed_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {side})
        SELECT e.task_id, e.task_name, e.status, e.started_at, e.completed_at
          FROM n CROSS JOIN n others CROSS JOIN smart_cron_executions e"""
    )


def left(store: Store, table: str = "executions") -> int:
    return int(store.session.rows(f"SELECT COUNT(*) FROM smart_cron_{table}")[0][0])


def test_old_runs_are_deleted_and_counted(person: Person, server_store: Store) -> None:
    runs(server_store, 30)
    runs(server_store, KEPT_RUNS + 2, days=5)

    assert person.calls("cleanup_old_data", 30) == [["30", "0", "0", "0", "0", "0", "0"]]
    assert left(server_store) == KEPT_RUNS + 2
    assert person.calls("cleanup_old_data", 30) == [["0"] * 7]


@pytest.mark.slow
def test_the_newest_runs_of_each_task_are_kept_however_old(person: Person, server_store: Store) -> None:
    runs(server_store, KEPT_RUNS + 5)
    runs(server_store, KEPT_RUNS - 5, task_id=2)

    person.calls("cleanup_old_data", 1)

    kept = server_store.session.rows("SELECT task_id, COUNT(*), MIN(id) FROM smart_cron_executions GROUP BY task_id")
    assert [(row[0], row[1]) for row in sorted(kept)] == [(1, KEPT_RUNS), (2, KEPT_RUNS - 5)]


def test_what_runs_or_waits_is_never_touched(person: Person, server_store: Store) -> None:
    for status in (*PENDING_STATUSES, "claimed", "running", "unreachable"):
        runs(server_store, 1, status=str(status))
        runs(server_store, 1, status=str(status), started_at=None, completed_at=None)
    active = left(server_store)
    runs(server_store, KEPT_RUNS)

    person.calls("cleanup_old_data", 1)

    assert left(server_store) == active + KEPT_RUNS


def test_what_never_started_goes_too(person: Person, server_store: Store) -> None:
    runs(server_store, 3, started_at=None, status="missed")
    runs(server_store, KEPT_RUNS)

    assert person.calls("cleanup_old_data", 30)[0][0] == "3"


def test_a_loss_that_its_own_node_may_yet_correct_is_kept(person: Person, server_store: Store) -> None:
    lost = {"status": "lost", "node": "away", "settled_by": "other"}
    node = {"identity": "i", "boot_id": "b", "host": "h", "version": "1", "max_concurrent": 1}
    put(server_store, "nodes", node_name="away", **node, heartbeat_at=datetime.now(UTC) - 50 * DAY)
    runs(server_store, 2, **lost)
    runs(server_store, KEPT_RUNS)

    assert person.calls("cleanup_old_data", 30)[0][0] == "0"
    server_store.session.execute("UPDATE smart_cron_nodes SET heartbeat_at = CURRENT_TIMESTAMP")
    assert person.calls("cleanup_old_data", 30)[0][0] == "2"


@pytest.mark.slow
def test_more_than_one_batch_goes_in_one_call(person: Person, server_store: Store) -> None:
    runs(server_store, 1)
    multiply_runs(server_store, SIDE)

    assert SIDE * SIDE > 2 * BATCH
    assert person.calls("cleanup_old_data", 30)[0][0] == str(SIDE * SIDE + 1 - KEPT_RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("server_store", ["postgresql"], indirect=True)
def test_rows_are_looked_for_once_whatever_the_planner_takes_the_table_for(
    person: Person, server: Server, server_store: Store
) -> None:
    rows = SIDE * SIDE + 1
    runs(server_store, 1)
    multiply_runs(server_store, SIDE)
    emptied(server_store)
    runs(server_store, 1)
    server.run_sql("VACUUM ANALYZE smart_cron_executions", DATABASE)
    multiply_runs(server_store, SIDE)
    looks = "SELECT seq_scan + idx_scan FROM pg_stat_user_tables WHERE relname = 'smart_cron_executions'"

    looked = int(server.run_sql(looks, DATABASE))
    assert person.calls("cleanup_old_data", 30)[0][0] == str(rows - KEPT_RUNS)
    assert int(server.run_sql(looks, DATABASE)) - looked < 5 * rows


def test_other_old_rows_go_and_what_is_open_held_or_the_audits_stays(person: Person, server_store: Store) -> None:
    old, new = datetime.now(UTC) - 40 * DAY, datetime.now(UTC) - DAY
    alert = {"alert_type": "disk_space", "severity": "error", "message": "full"}
    slots = {"task_id": 1, "task_name": "a", "slot_count": 1, "reason": "", "schedule_pattern": "", "time_zone": "UTC"}
    letter = {"kind": "alert", "channel": "email", "subject": "it failed"}
    for at in (old, new):
        put(server_store, "health_checks", check_name="memory", status="ok", checked_at=at)
        put(server_store, "alerts", **alert, created_at=at, resolved=1, untold=0, resolved_at=at)
        put(server_store, "alerts", **alert, created_at=at, resolved=0)
        put(server_store, "skipped_slots", **slots, outcome="missed", recorded_at=at)
        put(server_store, "skipped_slots", **slots, outcome="held", recorded_at=at)
        put(server_store, "deliveries", **letter, status="sent", created_at=at)
        put(server_store, "deliveries", **letter, status="pending", created_at=at)
        put(server_store, "node_samples", node="one", sampled_at=at)
        put(server_store, "audit_log", actor="test", action="update", entity_type="task", created_at=at)
        put(server_store, "metrics", period="day", bucket_at=at, task_id=1, task_name="a")
        put(server_store, "skipped_slots", **slots, outcome="missed", recorded_at=old, last_slot=at)
    # Of whose end somebody may have to hear yet; and resolved lately, however long ago it was raised.
    put(server_store, "alerts", **alert, created_at=old, resolved=1, untold=1, resolved_at=old)
    put(server_store, "alerts", **alert, created_at=old, resolved=1, untold=0, resolved_at=new)
    put(server_store, "rate_limits", limit_key="gone", expires_at=new)
    put(server_store, "rate_limits", limit_key="there", expires_at=new + 2 * DAY)

    # executions, skipped_slots, health_checks, alerts, deliveries, node_samples, rate_limits
    assert person.calls("cleanup_old_data", 30) == [["0", "2", "1", "1", "1", "1", "1"]]
    assert (left(server_store, "audit_log"), left(server_store, "metrics")) == (2, 2)
    assert (left(server_store, "alerts"), left(server_store, "skipped_slots")) == (5, 4)


@pytest.mark.parametrize("days", ["0", "-1", "NULL"])
def test_days_that_would_delete_everything_are_refused(server: Server, server_store: Store, days: str) -> None:
    verb = "CALL" if server_store.session.dialect.name == "mysql" else "SELECT"

    with pytest.raises(RuntimeError, match="days must be 1 or more"):
        server.run_sql(f"{verb} smart_cron_cleanup_old_data({days})", DATABASE)


@pytest.mark.slow
def test_a_clean_up_waits_for_nobody_who_works_on_runs(person: Person, server_scene: Scene) -> None:
    """And nobody waits for it: it locks the rows that it deletes, and nothing between them."""
    store = server_scene.store
    server_scene.requested("other")
    claims = server_scene.claim()
    runs(store, KEPT_RUNS + 5, task_id=9)
    with store.database.transaction():
        server_scene.open_runs(claims)
        store.session.rows("SELECT id FROM smart_cron_executions WHERE status = 'running' FOR UPDATE")
        cleaning = threading.Thread(target=person.calls, args=("cleanup_old_data", 30))
        cleaning.start()
        cleaning.join(20)
        assert not cleaning.is_alive()
    assert left(store) == KEPT_RUNS + 1


@pytest.mark.slow
def test_on_postgresql_a_call_may_be_bounded(
    request: pytest.FixtureRequest, person: Person, server_store: Store
) -> None:
    if server_store.session.dialect.name == "mysql":
        return  # There each batch is a transaction of its own.
    runs(server_store, KEPT_RUNS + 25)

    assert [person.calls("cleanup_old_data", 30, 10)[0][0] for _ in range(4)] == ["10", "10", "5", "0"]


def test_a_reset_takes_failures_back_and_leaves_what_runs_running(person: Person, server_scene: Scene) -> None:
    server_scene.ran("bad", **FAILED)
    server_scene.ran("other", **FAILED)
    server_scene.requested("bad")
    server_scene.claim()
    server_scene.sql("UPDATE smart_cron_tasks_config SET is_running = 0")

    person.calls("reset_task", "bad")

    assert (server_scene.column("consecutive_failures", task="bad"), server_scene.column("is_running", task="bad")) == (
        0,
        1,
    )
    assert server_scene.column("consecutive_failures", task="other") == 1


def test_a_reset_clears_a_flag_that_stands_for_nothing(person: Person, server_scene: Scene) -> None:
    server_scene.add("idle")
    server_scene.sql("UPDATE smart_cron_tasks_config SET is_running = 1, running_execution_id = 77")

    person.calls("reset_task", "idle")

    assert server_scene.column("is_running", task="idle") == 0
    assert server_scene.column("running_execution_id", task="idle") is None


def test_statistics_are_of_the_hours_asked_for(person: Person, server_scene: Scene) -> None:
    now = server_scene.store.database.now()
    for minutes, duration in ((1, 1.5), (2, 2.5), (60 * 30, 100.0)):
        ended = {
            "completed_at": now - minutes * MINUTE,
            "duration": duration,
            "memory_peak_bytes": 1,
            "stdout_bytes": 7,
        }
        server_scene.ran("a", end=ended)
    server_scene.ran("a", **FAILED, end={"completed_at": now - 3 * SECOND, "duration": 0.5})

    (day,) = person.calls("task_stats", "a", 24)
    (week,) = person.calls("task_stats", "a", 24 * 7)

    assert day[:9] == ["a", "24", "3", "2", "1", "66.67", "1.5", "0.5", "2.5"]
    assert (day[11], day[13]) == ("1", "14")
    assert (week[2], week[8]) == ("4", "100")


@pytest.mark.parametrize("routine", ["reset_task", "task_stats"])
@pytest.mark.parametrize("name", ["nobody", "A", "a'' OR 1=1 -- "])
def test_a_task_that_is_not_there_is_an_error(person: Person, server_scene: Scene, routine: str, name: str) -> None:
    server_scene.add("a")

    with pytest.raises(RuntimeError, match="there is no task of this name"):
        person.calls(routine, name, *([24] if routine == "task_stats" else []))


def test_a_routine_that_was_dropped_is_named_and_comes_back(server_store: Store) -> None:
    kind = "PROCEDURE" if server_store.session.dialect.name == "mysql" else "FUNCTION"
    server_store.session.execute(f"DROP {kind} smart_cron_reset_task")

    assert server_store.public.missing() == [f"the {kind.lower()} smart_cron_reset_task is missing."]
    server_store.database.migrate()
    assert server_store.public.missing() == []


@pytest.fixture
def scheduler_on(mariadb: Server, mariadb_store: Store) -> Iterator[Store]:
    """A server that runs events; they are gone again afterwards, since the server is shared."""
    mariadb.run_sql("SET GLOBAL event_scheduler = ON")
    yield mariadb_store
    mariadb.run_sql(f"SET GLOBAL event_scheduler = OFF; DROP EVENT IF EXISTS {EVENT}", DATABASE)


def test_the_event_is_made_where_the_server_runs_events(scheduler_on: Store, mariadb: Server) -> None:
    scheduler_on.database.migrate()

    shown = mariadb.run_sql(f"SHOW CREATE EVENT {EVENT}", DATABASE)
    assert f"CALL smart_cron_cleanup_old_data({DAYS})" in shown
    assert "EVERY 1 DAY" in shown
    assert scheduler_on.public.remarks() == []


def test_an_event_that_somebody_altered_is_left_as_it_is(scheduler_on: Store, mariadb: Server) -> None:
    scheduler_on.database.migrate()
    mariadb.run_sql(f"ALTER EVENT {EVENT} DISABLE DO CALL smart_cron_cleanup_old_data(1000)", DATABASE)

    scheduler_on.database.migrate()

    assert "DISABLE" in mariadb.run_sql(f"SHOW CREATE EVENT {EVENT}", DATABASE)
    (remark,) = scheduler_on.public.remarks()
    assert "switched off" in remark


def test_the_event_deletes_nothing_that_the_settings_keep(scheduler_on: Store, mariadb: Server) -> None:
    scheduler_on.database.migrate()

    def shown() -> str:
        return mariadb.run_sql(f"SHOW CREATE EVENT {EVENT}", DATABASE)

    scheduler_on.public.spare(90)
    assert f"smart_cron_cleanup_old_data({DAYS})" in shown()
    scheduler_on.public.spare(1000)
    assert "smart_cron_cleanup_old_data(1000)" in shown()
    scheduler_on.public.spare(None)
    assert " DISABLE " in shown()


def test_where_there_is_no_event_nothing_is_to_be_spared(store: Store) -> None:
    store.public.spare(1000)
    store.public.spare(None)

    assert store.public.missing() == []


@pytest.mark.slow
def test_the_event_cleans_up(scheduler_on: Store, mariadb: Server) -> None:
    runs(scheduler_on, KEPT_RUNS + 3, days=DAYS + 1)
    scheduler_on.database.migrate()
    mariadb.run_sql(f"ALTER EVENT {EVENT} ON SCHEDULE AT CURRENT_TIMESTAMP ON COMPLETION PRESERVE", DATABASE)

    waited = f"SELECT IF(COUNT(*) > {KEPT_RUNS}, SLEEP(0.05), 0) FROM smart_cron_executions"
    assert any(left(scheduler_on) == KEPT_RUNS or mariadb.run_sql(waited, DATABASE) is None for _ in range(200))


def test_without_a_scheduler_clean_up_is_left_to_the_engine(mariadb_store: Store, mariadb: Server) -> None:
    mariadb_store.database.migrate()

    assert EVENT not in mariadb.run_sql("SHOW EVENTS", DATABASE)
    (remark,) = mariadb_store.public.remarks()
    assert "event scheduler is off" in remark
    assert "smart_cron_cleanup" in remark


@pytest.mark.slow
def test_an_account_without_rights_is_told_what_it_could_not_make(scheduler_on: Store, mariadb: Server) -> None:
    """And everything else works."""
    mariadb.drop_database("poor")
    url = mariadb.create_database("poor").replace("root@", "poor:secret@")
    rights = "CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE, DELETE, CREATE VIEW, TRIGGER"
    mariadb.run_sql(f"CREATE USER poor@localhost IDENTIFIED BY 'secret'; GRANT {rights} ON poor.* TO poor@localhost")
    store = open_store(url, alias="poor", timeout_seconds=10)
    try:
        store.database.migrate()

        told = store.public.not_made()
        assert len(told) == len(ROUTINES["mysql"]) + 1
        assert all("denied" in sentence for sentence in told)
        assert "secret" not in "".join(told)
        assert len(store.public.missing()) == len(ROUTINES["mysql"])
        store.database.check()
    finally:
        store.database.close()
        mariadb.run_sql("DROP USER poor@localhost; DROP DATABASE poor")


@pytest.mark.slow
def test_sqlite_has_no_routines_and_says_nothing_of_them(sqlite_url: str) -> None:
    store = open_store(sqlite_url, alias="plain", timeout_seconds=10)
    store.database.migrate()

    assert derived.create(store.session) == []
    assert store.public.missing() == store.public.remarks() == []
    store.database.close()
