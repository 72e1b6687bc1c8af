"""Backups on three real databases: what is taken is proven, and what is restored is row by row what was taken."""

from __future__ import annotations

import gzip
import re
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.alerts.silent_log import SilentLog
from tests.conformance.scene import Scene
from tests.servers import Server

from smart_cron.core.alert import AlertType
from smart_cron.core.backup import (
    CONFIG_TABLES,
    LATEST,
    TABLES,
    Backup,
    BackupKind,
    BackupReason,
    BackupStatus,
    RefusedBackupError,
)
from smart_cron.core.backup_retention import BackupRetention
from smart_cron.core.node import HoldKind
from smart_cron.engine.clock import SystemClock
from smart_cron.services.backup.bounded import Bounds
from smart_cron.services.backup.folder import Folder
from smart_cron.services.backup.keeper import Keeper, Rules
from smart_cron.services.backup.restoring import plan_restore, restore
from smart_cron.store import derived
from smart_cron.store.gateway import Store, open_store

ODD = 'it\'s "odd" \\ `x`; -- \t\n\r\u20ac \U0001f600 $$ \\.'
THEIRS = """
CREATE TABLE wp_posts (title varchar(20), body longblob, at geometry);
INSERT INTO wp_posts VALUES ("it's;", x'0027', NULL);
CREATE VIEW wp_titles AS SELECT title FROM wp_posts;
CREATE PROCEDURE wp_p() SELECT "; DROP TABLE smart_cron_alerts;";
CREATE EVENT wp_e ON SCHEDULE EVERY 1 YEAR DO DELETE FROM wp_posts WHERE title = 'x';
CREATE TRIGGER wp_t BEFORE INSERT ON wp_posts FOR EACH ROW SET NEW.title = TRIM(NEW.title);
"""
STORED = {
    "sqlite": [
        """CREATE TRIGGER smart_cron_test_trigger BEFORE DELETE ON smart_cron_audit_log WHEN OLD.id < 0
        BEGIN SELECT RAISE(ABORT, 'it''s not to be changed; no'); SELECT 1;
        END"""
    ],
    "mariadb": [
        """CREATE TRIGGER smart_cron_test_trigger BEFORE DELETE ON smart_cron_audit_log FOR EACH ROW
        BEGIN IF OLD.id < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it''s; no'; END IF; END""",
        """CREATE PROCEDURE smart_cron_test_procedure(days INT)
        BEGIN DELETE FROM smart_cron_alerts WHERE id < 0; SELECT 'a;b\n;;x'; END""",
    ],
    "postgresql": [
        """CREATE FUNCTION smart_cron_test_function() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'it''s; no'; END $$""",
        """CREATE TRIGGER smart_cron_test_trigger BEFORE DELETE ON smart_cron_audit_log
        FOR EACH ROW WHEN (OLD.id < 0) EXECUTE FUNCTION smart_cron_test_function()""",
    ],
}
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "backups"
    path.mkdir(mode=0o750)
    return path


@pytest.fixture
def keeper(store: Store, folder: Path) -> Keeper:
    return keeper_of(store, folder)


def keeper_of(store: Store, folder: Path) -> Keeper:
    return Keeper(
        source=store.backup_source,
        book=store.backups,
        alerts=store.alerts,
        clock=SystemClock(),
        log=SilentLog(),
        folder=Folder(folder),
        rules=Rules(
            node="one",
            zone=ZoneInfo("UTC"),
            bounds=Bounds(text_bytes=1_000_000_000, ratio=200),
            retention=BackupRetention(),
        ),
    )


@pytest.fixture
def filled(scene: Scene) -> Scene:
    """Tasks, runs and alerts, odd texts among them."""
    scene.add("report", description=ODD)
    scene.add(f"odd{ODD[:30]}", environment={"A": ODD})
    scene.planned()
    scene.start()
    scene.sql(
        "INSERT INTO smart_cron_executions (task_id, task_name, stdout_output, execution_time, cpu_seconds, status)"
        " VALUES (1, 'x', %s, 0.1, 1e-7, 'success')",
        [ODD * 100],
    )
    scene.sql(
        "INSERT INTO smart_cron_metrics (period, task_id, task_name, duration_sum) VALUES ('hour', 1, 'x', 1e300)"
    )
    return scene


def rows_of(store: Store, tables: tuple[str, ...] = TABLES) -> Rows:
    return {
        table: store.session.rows(f"SELECT * FROM {table} ORDER BY id")
        for table in tables
        if table not in ("smart_cron_backups", "smart_cron_audit_log", "smart_cron_audit_head", "smart_cron_holds")
    }


def taken(keeper: Keeper, kind: BackupKind = BackupKind.FULL, reason: BackupReason = BackupReason.MANUAL) -> Backup:
    backup = keeper.create(kind, reason)
    assert backup.status is BackupStatus.VERIFIED, backup.error
    return backup


def text_of(backup: Backup) -> str:
    return gzip.decompress(Path(backup.path).read_bytes()).decode()


def test_a_list_of_tables_is_whole(store: Store) -> None:
    from django.apps import apps

    models = apps.get_app_config("smart_cron").get_models()

    assert store.database
    assert set(TABLES) == {model._meta.db_table for model in models}


def test_what_is_taken_is_proven_by_a_restore(filled: Scene, keeper: Keeper, folder: Path) -> None:
    backup = taken(keeper)

    assert backup.name.startswith("manual-backup-")
    assert backup.tables["smart_cron_tasks_config"].rows == 2
    assert backup.verified_at is not None
    assert (folder / backup.name).stat().st_mode & 0o777 == 0o640
    assert (folder / f"{backup.name}.json").stat().st_mode & 0o777 == 0o640
    assert (folder / LATEST).readlink() == Path(backup.name)
    assert sorted(path.name for path in folder.iterdir()) == [LATEST, backup.name, f"{backup.name}.json"]
    row = filled.store.session.row("SELECT sha256, status, verified, file_size_bytes FROM smart_cron_backups")
    assert row == (backup.sha256, "verified", 1, backup.size_bytes)
    assert keeper.backups() == [backup]


def test_a_restore_brings_every_row_back(filled: Scene, keeper: Keeper) -> None:
    before = rows_of(filled.store)
    backup = taken(keeper)
    filled.sql("UPDATE smart_cron_tasks_config SET task_description = 'other'")
    filled.sql("DELETE FROM smart_cron_executions")
    filled.sql("INSERT INTO smart_cron_executions (task_id, task_name) VALUES (9, 'later')")

    done = restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test")

    assert rows_of(filled.store) == before
    assert done.saved is not None
    assert [hold.kind for hold in filled.store.holds.holds()] == [HoldKind.RESTORED]
    audit = filled.store.session.rows("SELECT actor, action, entity_name FROM smart_cron_audit_log ORDER BY id")
    assert audit[-1] == ("test", "restore", backup.name)
    names = {row[0] for row in filled.store.session.rows("SELECT file_path FROM smart_cron_backups")}
    assert names == {backup.path, done.saved.path}


def test_numbers_are_not_given_out_twice_after_a_restore(filled: Scene, keeper: Keeper) -> None:
    backup = taken(keeper)
    insert = "INSERT INTO smart_cron_executions (task_id, task_name) VALUES (%s, 'later')"
    later = filled.store.session.insert(insert, [9])

    restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)

    assert filled.store.session.insert(insert, [9]) > later


def test_definitions_come_back_without_the_past(filled: Scene, keeper: Keeper) -> None:
    backup = taken(keeper, BackupKind.CONFIG)
    assert backup.name.startswith("config-backup-")
    assert set(backup.tables) == set(CONFIG_TABLES)
    runs = rows_of(filled.store, ("smart_cron_executions",))
    filled.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '1 1 1 1 *', total_executions = 7")
    filled.sql("DELETE FROM smart_cron_tasks_config WHERE task_name <> 'report'")

    restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)

    rows = filled.store.session.rows(
        "SELECT schedule_pattern, total_executions, next_run_at IS NULL FROM smart_cron_tasks_config ORDER BY id"
    )
    assert [tuple(row) for row in rows] == [("* * * * *", 7, 0), ("* * * * *", 0, 1)]
    assert rows_of(filled.store, ("smart_cron_executions",)) == runs
    assert not filled.store.holds.holds()


def test_one_table_alone_is_restored(filled: Scene, keeper: Keeper) -> None:
    backup = taken(keeper)
    filled.sql("DELETE FROM smart_cron_metrics")
    filled.sql("DELETE FROM smart_cron_tasks_config")

    plan = plan_restore(keeper, backup, tables=["smart_cron_metrics"])
    restore(keeper, filled.store.holds, plan, actor="test", save=False)

    assert filled.store.session.row("SELECT COUNT(*) FROM smart_cron_metrics") == (1,)
    assert filled.store.session.row("SELECT COUNT(*) FROM smart_cron_tasks_config") == (0,)


def test_a_column_added_by_hand_survives(filled: Scene, keeper: Keeper) -> None:
    filled.sql("ALTER TABLE smart_cron_tasks_config ADD COLUMN theirs varchar(20) DEFAULT 'here'")
    try:
        before = rows_of(filled.store)
        backup = taken(keeper)
        filled.sql("UPDATE smart_cron_tasks_config SET theirs = 'gone'")

        restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)

        assert rows_of(filled.store) == before
    finally:
        filled.sql("ALTER TABLE smart_cron_tasks_config DROP COLUMN theirs")


def test_a_scheduler_is_opened_on_a_restored_copy_once_a_month(filled: Scene, keeper: Keeper) -> None:
    first = taken(keeper, reason=BackupReason.DAILY)
    second = taken(keeper, reason=BackupReason.DAILY)

    assert first.drilled_at is not None
    assert second.drilled_at is None


def test_what_was_altered_on_disk_is_found_and_told(filled: Scene, keeper: Keeper) -> None:
    backup = taken(keeper)
    path = Path(backup.path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    found = keeper.verify(keeper.find(backup.name))

    assert found.status is BackupStatus.FAILED
    assert "damaged" in (found.error or "")
    with pytest.raises(RefusedBackupError, match="damaged"):
        plan_restore(keeper, found)
    (alert,) = filled.store.alerts.open_causes(AlertType.SYSTEM_HEALTH)
    assert backup.name in alert.message
    taken(keeper)
    assert not filled.store.alerts.open_causes(AlertType.SYSTEM_HEALTH)


def test_a_dump_of_a_newer_version_is_refused_with_its_name(filled: Scene, keeper: Keeper, folder: Path) -> None:
    backup = taken(keeper)
    text = text_of(backup).replace("'0002_public_interface'", "'0999_from_tomorrow'", 1)
    path = folder / "theirs.sql.gz"
    path.write_bytes(gzip.compress(text.encode()))

    with pytest.raises(RefusedBackupError, match="0999_from_tomorrow"):
        plan_restore(keeper, keeper.find(path.name))


def test_what_runs_is_in_the_restored_tables_as_it_ran(filled: Scene, keeper: Keeper) -> None:
    filled.claim()
    before = rows_of(filled.store)
    backup = taken(keeper)

    restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)

    assert rows_of(filled.store) == before
    assert filled.store.records.held(node="one")


def test_a_backup_under_load_is_of_one_moment(filled: Scene, keeper: Keeper) -> None:
    """Each transaction of the writers changes two tables; no backup sees one of both without the other."""
    stop = threading.Event()
    filled.sql("DELETE FROM smart_cron_executions")

    def write() -> None:
        try:
            while not stop.is_set():
                filled.store.session.again(change)
        finally:
            filled.store.database.close()

    def change() -> None:
        filled.sql("UPDATE smart_cron_tasks_config SET total_executions = total_executions + 1")
        filled.sql("INSERT INTO smart_cron_executions (task_id, task_name, status) VALUES (1, 'x', 'success')")

    def changes() -> int:
        row = filled.store.session.row("SELECT COUNT(*) FROM smart_cron_executions")
        return int(row[0]) if row else 0

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        while changes() < 5:
            pass
        before = changes()
        backup = taken(keeper)
        after = changes()
    finally:
        stop.set()
        for writer in writers:
            writer.join()

    restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)
    row = filled.store.session.row("SELECT MIN(total_executions), MAX(total_executions) FROM smart_cron_tasks_config")
    assert row == (changes(), changes())
    assert before <= changes() <= after


def test_its_own_client_restores_a_backup_into_a_new_database(
    filled: Scene, keeper: Keeper, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """By the specification's own words: gunzip < … | mysql."""
    before = rows_of(filled.store)
    backup = taken(keeper)
    alias = filled.store.session.alias
    if alias == "sqlite":
        url = f"sqlite://{tmp_path / 'copy.db'}"
        client = ["sqlite3", str(tmp_path / "copy.db")]
    else:
        server: Server = request.getfixturevalue(alias)
        server.drop_database("copy_by_client")
        url = server.create_database("copy_by_client")
        client = {
            "mariadb": ["mariadb", "--no-defaults", f"--socket={server.folder / 's'}", "-uroot", "copy_by_client"],
            "postgresql": ["psql", "-X", "-q", "-h", str(server.folder), "-U", "postgres", "-d", "copy_by_client"],
        }[alias]
    words = f"gunzip < {backup.path} | {shlex.join(client)}"
    done = subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    copy = open_store(url, alias="copy", timeout_seconds=10)
    try:
        copy.database.check()
        assert rows_of(copy) == before
        assert copy.database.migrate() == []
    finally:
        copy.database.close()


# A row of `django_migrations` that names another one than the first.
NEWER = re.compile("'000[2-9]_")


def test_a_backup_of_older_tables_is_brought_forward(filled: Scene, keeper: Keeper, folder: Path) -> None:
    backup = taken(keeper, BackupKind.CONFIG)
    before = rows_of(filled.store, ("smart_cron_tasks_config",))
    lines = text_of(backup).splitlines(keepends=True)
    path = folder / "older.sql.gz"
    path.write_bytes(gzip.compress("".join(line for line in lines if not NEWER.search(line)).encode()))
    filled.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '1 1 1 1 *'")

    plan = plan_restore(keeper, keeper.find(path.name))
    done = restore(keeper, filled.store.holds, plan, actor="test", save=False)

    assert plan.contents.migrations == ("0001_initial",)
    assert "0002_public_interface" in done.migrated
    assert rows_of(filled.store, ("smart_cron_tasks_config",)) == before


def test_a_table_that_somebody_dropped_comes_back(filled: Scene, keeper: Keeper) -> None:
    before = rows_of(filled.store)
    backup = taken(keeper)
    derived.drop(filled.store.session)  # PostgreSQL drops no table that a view reads.
    filled.sql("DROP TABLE smart_cron_metrics")
    with pytest.raises(RefusedBackupError, match="smart_cron_metrics is not there"):
        keeper.create(BackupKind.FULL, BackupReason.MANUAL)

    assert filled.store.session.make_missing_tables() == ["smart_cron_metrics"]
    restore(keeper, filled.store.holds, plan_restore(keeper, backup), actor="test", save=False)

    assert rows_of(filled.store) == before


def test_views_and_triggers_of_ours_are_dumped_and_passed_over(filled: Scene, keeper: Keeper, database: str) -> None:
    filled.sql("CREATE VIEW smart_cron_test_view AS SELECT task_name FROM smart_cron_tasks_config WHERE id > 0")
    for statement in STORED[database]:
        filled.sql(statement)
    try:
        before = rows_of(filled.store)
        backup = taken(keeper)
        assert "smart_cron_test_view" in text_of(backup)
        assert "smart_cron_test_trigger" in text_of(backup)

        contents = plan_restore(keeper, backup).contents

        assert contents.foreign == ()
        assert contents.tables == backup.tables
        assert rows_of(filled.store) == before
    finally:
        filled.sql("DROP VIEW smart_cron_test_view")
        on = " ON smart_cron_audit_log" if database == "postgresql" else ""
        filled.sql(f"DROP TRIGGER smart_cron_test_trigger{on}")
        routine = {"mariadb": "PROCEDURE smart_cron_test_procedure", "postgresql": "FUNCTION smart_cron_test_function"}
        if database in routine:
            filled.sql(f"DROP {routine[database]}")


def test_from_a_dump_of_a_whole_shared_database_our_tables_are_taken(
    mariadb_scene: Scene, mariadb: Server, tmp_path: Path
) -> None:
    scene, folder = mariadb_scene, tmp_path
    keeper = keeper_of(scene.store, folder)
    scene.add("report", description=ODD)
    before = rows_of(scene.store)
    mariadb.run_sql(THEIRS, "smart_cron")
    dump = ["mariadb-dump", "--no-defaults", f"--socket={mariadb.folder / 's'}", "-uroot"]
    try:
        whole = subprocess.run(
            [*dump, "--routines", "--events", "--triggers", "smart_cron"], capture_output=True, check=True
        ).stdout
        (folder / "theirs.sql.gz").write_bytes(gzip.compress(whole))
        ours = taken(keeper)
        scene.sql("DELETE FROM smart_cron_tasks_config")

        plan = plan_restore(keeper, keeper.find("theirs.sql.gz"))
        restore(keeper, scene.store.holds, plan, actor="test", save=False)

        assert "wp_posts" in plan.contents.foreign
        assert "wp_posts" not in text_of(ours)
        assert rows_of(scene.store) == before
        assert keeper.verify(keeper.find("theirs.sql.gz")).status is BackupStatus.VERIFIED
        assert not keeper.prunable()
        assert mariadb.run_sql("SELECT title FROM wp_posts; SELECT COUNT(*) FROM wp_titles", "smart_cron").split() == [
            "it's;",
            "1",
        ]
    finally:
        mariadb.run_sql("DROP VIEW wp_titles; DROP PROCEDURE wp_p; DROP EVENT wp_e; DROP TABLE wp_posts;", "smart_cron")
