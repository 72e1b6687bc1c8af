"""SECURITY 39: restoring a hostile file. Each is refused with a reason, and the live data is as it was."""

from __future__ import annotations

import gzip
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron.config import load_config
from smart_cron.core.backup import BackupKind, BackupReason, RefusedBackupError
from smart_cron.home import owns
from smart_cron.services.backup.restoring import plan_restore, restore
from smart_cron.wiring import House, open_house, prepare
from smart_cron.wiring.backups import keeper_of

SRC = Path(__file__).parents[2] / "src"
INSERT = (
    "INSERT INTO smart_cron_tasks_config (task_name, schedule_pattern, shell_command) VALUES (%s, '* * * * *', 'true')"
)


class Home:
    """A home with a task, and a dump of its own to spoil."""

    def __init__(self, house: House) -> None:
        self.house, self.keeper = house, keeper_of(house)
        house.store.session.execute(INSERT, ["live"])
        backup = self.keeper.create(BackupKind.FULL, BackupReason.MANUAL)
        self.good = gzip.decompress(Path(backup.path).read_bytes())
        house.store.session.execute("UPDATE smart_cron_tasks_config SET task_name = 'changed'")
        self.before = self.rows()

    def rows(self) -> list[tuple[Any, ...]]:
        return self.house.store.session.rows("SELECT * FROM smart_cron_tasks_config ORDER BY id")

    def plant(self, text: bytes, name: str = "theirs.sql.gz") -> Path:
        path = self.keeper.folder.path / name
        path.write_bytes(gzip.compress(text, 1))
        return path

    def refusal_of(self, name: str) -> RefusedBackupError:
        """Try to restore a file all the way, past the look that a person gets first, too; return the refusal."""
        with pytest.raises(RefusedBackupError) as looked:
            plan_restore(self.keeper, self.keeper.find(name))
        with (
            pytest.raises(RefusedBackupError),
            self.keeper.source.scratch(self.keeper.folder.path) as scratch,
        ):
            self.keeper.load(self.keeper.find(name), scratch)
        assert self.rows() == self.before
        return looked.value


def home_of(folder: Path, url: str = "") -> Home:
    environ = {"SMART_CRON_HOME": str(folder), "SMART_CRON_TIME_ZONE": "UTC"}
    if url:
        environ["SMART_CRON_DATABASE__URL"] = url
    config = load_config(environ)
    prepare(config)
    return Home(open_house(config))


@pytest.fixture(scope="module")
def sqlite_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = home_of(tmp_path_factory.mktemp("sqlite") / "home")
    yield home
    home.house.close()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb_home(mariadb: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = home_of(tmp_path_factory.mktemp("mariadb") / "home", mariadb.create_database("cron"))
    yield home
    home.house.close()


@pytest.fixture(scope="module")
def postgresql_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with PostgreSql() as server:
        home = home_of(tmp_path_factory.mktemp("postgresql") / "home", server.create_database("cron"))
        yield home
        home.house.close()


MYSQL_LINES = {
    "a program": rb"\! touch /tmp/pwned",
    "a program in passing": rb"SELECT 1; \! touch /tmp/pwned",
    "another file": b"source /etc/passwd",
    "system": b"system id",
    "a pager": rb"\P cat > /tmp/pwned",
    "a file of this machine": b"LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE `smart_cron_alerts`;",
    "a file of the server": b"INSERT INTO `smart_cron_rate_limits` (`limit_key`) VALUES (LOAD_FILE('/etc/passwd'));",
    "a subquery": b"INSERT INTO `smart_cron_rate_limits` (`limit_key`) VALUES ((SELECT 1));",
    "a select": b"INSERT INTO `smart_cron_rate_limits` (`limit_key`) SELECT user FROM mysql.user;",
    "an outfile": b"SELECT 'x' INTO OUTFILE '/tmp/pwned';",
    "another database": b"USE `mysql`;",
    "another database's table": b"INSERT INTO `mysql`.`user` VALUES (1);",
    "a database dropped": b"DROP DATABASE `cron`;",
    "a table dropped": b"DROP TABLE `smart_cron_tasks_config`;",
    "rights": b"GRANT ALL ON *.* TO 'x'@'%';",
    "a live row changed": b"UPDATE `smart_cron_tasks_config` SET task_name = 'pwned';",
    "a setting of the server": b"SET GLOBAL general_log_file = '/tmp/pwned';",
    "a comment that is carried out": b"/*!50000 DROP DATABASE cron */;",
    "a prepared statement": b"PREPARE s FROM 'DROP DATABASE cron';",
    "a program in the server": b"DELIMITER ;;\nDROP DATABASE cron ;;\nDELIMITER ;",
    "two statements in one": b"INSERT INTO `smart_cron_rate_limits` (`limit_key`) VALUES ('x'); DROP DATABASE cron;",
    "a column that breaks out": b"INSERT INTO `smart_cron_rate_limits` (`limit_key`, `x) VALUES (1` ) VALUES ('x', 1);",
    "no end": b"CREATE TABLE `smart_cron_alerts` (",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(MYSQL_LINES))
def test_statements_that_no_dump_of_mariadb_holds_are_refused_with_their_line(kind: str, mariadb_home: Home) -> None:
    line = MYSQL_LINES[kind]
    number = mariadb_home.good.count(b"\n") + 1
    mariadb_home.plant(mariadb_home.good + line + b"\n")

    refusal = mariadb_home.refusal_of("theirs.sql.gz")

    assert (refusal.line or 0) >= number
    assert not Path("/tmp/pwned").exists()


SQLITE_LINES = {
    "a program": b".shell touch /tmp/pwned",
    "another file": b".read /etc/passwd",
    "an attached file": b"ATTACH DATABASE '/tmp/pwned' AS x;",
    "a function": b'INSERT INTO "smart_cron_rate_limits" ("limit_key") VALUES (load_extension(\'/tmp/x.so\'));',
    "a file": b'INSERT INTO "smart_cron_rate_limits" ("limit_key") VALUES (readfile(\'/etc/passwd\'));',
    "a select": b'INSERT INTO "smart_cron_rate_limits" ("limit_key") SELECT 1;',
    "the schema": b"PRAGMA writable_schema=ON;",
    "a live row changed": b"UPDATE smart_cron_tasks_config SET task_name = 'pwned';",
    "two statements in one": b"COMMIT; DROP TABLE smart_cron_tasks_config;",
    "a row and a drop": b'INSERT INTO "smart_cron_rate_limits" ("limit_key") VALUES (1); DROP TABLE smart_cron_alerts;',
    "an index that acts": b"CREATE INDEX x ON smart_cron_alerts(id); DROP TABLE smart_cron_alerts;",
    "an open text": b'INSERT INTO "smart_cron_rate_limits" ("limit_key") VALUES (\'x',
}


@pytest.mark.parametrize("kind", sorted(SQLITE_LINES))
def test_statements_that_no_dump_of_sqlite_holds_are_refused(kind: str, sqlite_home: Home) -> None:
    sqlite_home.plant(sqlite_home.good + SQLITE_LINES[kind] + b"\n")

    sqlite_home.refusal_of("theirs.sql.gz")


# What a file is ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("filling", [b"\0" * 1_000_000, b"-- a comment\n" * 80_000])
def test_a_bomb_is_refused_before_it_has_unpacked(filling: bytes, sqlite_home: Home) -> None:
    path = sqlite_home.keeper.folder.path / "bomb.sql.gz"
    with gzip.open(path, "wb", 9) as file:
        for _ in range(100):
            file.write(filling)
    assert path.stat().st_size < 1_500_000

    refusal = sqlite_home.refusal_of(path.name)

    assert "unpacks to more than" in str(refusal) or "longer than" in str(refusal)
    path.unlink()


def test_a_backup_of_ours_that_unpacks_to_more_than_it_did_is_refused(sqlite_home: Home) -> None:
    keeper = sqlite_home.keeper
    backup = keeper.create(BackupKind.CONFIG, BackupReason.MANUAL)
    text = gzip.decompress(Path(backup.path).read_bytes())
    Path(backup.path).write_bytes(gzip.compress(text + b"-- more\n"))

    refusal = sqlite_home.refusal_of(backup.name)

    assert "SHA-256" in str(refusal)
    keeper.folder.delete(backup)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:-9], "cut off"),
        (lambda data: b"PK" + data[2:], "damaged"),
        (lambda data: data + b"more", "damaged"),
        (lambda data: data[:-8] + b"\0\0\0\0" + data[-4:], "damaged"),
        (lambda _: b"", "no table"),
    ],
)
def test_a_file_that_is_cut_or_damaged_is_refused(spoil: Any, reason: str, sqlite_home: Home) -> None:
    path = sqlite_home.plant(sqlite_home.good)
    path.write_bytes(spoil(path.read_bytes()))

    assert reason in str(sqlite_home.refusal_of(path.name))


def test_a_dump_that_holds_nothing_of_ours_is_refused_and_named(sqlite_home: Home) -> None:
    path = sqlite_home.plant(b"CREATE TABLE wp_posts (id int);\nINSERT INTO wp_posts VALUES(1);\n")

    assert "it holds wp_posts" in str(sqlite_home.refusal_of(path.name))


def test_a_table_of_another_program_with_a_name_of_ours_is_refused(sqlite_home: Home) -> None:
    path = sqlite_home.plant(
        b"CREATE TABLE smart_cron_alerts (theirs int);\nINSERT INTO smart_cron_alerts VALUES(1);\n"
    )

    with (
        pytest.raises(RefusedBackupError, match="has the column 'theirs'"),
        sqlite_home.keeper.source.scratch(sqlite_home.keeper.folder.path) as scratch,
    ):
        sqlite_home.keeper.load(sqlite_home.keeper.find(path.name), scratch)
    assert sqlite_home.rows() == sqlite_home.before


def _link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def _writable_by_all(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x"))
    path.chmod(0o666)


@pytest.mark.parametrize("plant", [_link, os.mkfifo, Path.mkdir, _writable_by_all])
def test_links_pipes_folders_and_what_all_can_write_are_refused(plant: Any, sqlite_home: Home, tmp_path: Path) -> None:
    path = tmp_path / "planted.sql.gz"
    plant(path)

    refusal = sqlite_home.refusal_of(str(path))

    assert any(word in str(refusal) for word in ("is a link", "no plain file", "written by everybody"))


def test_a_link_planted_where_a_backup_is_written_is_not_followed(sqlite_home: Home, tmp_path: Path) -> None:
    keeper, target = sqlite_home.keeper, tmp_path / "target"
    target.write_text("theirs")
    for second in range(3):
        (keeper.folder.path / f".manual-backup-2026-{second}.sql.gz.part").symlink_to(target)

    backup = keeper.create(BackupKind.CONFIG, BackupReason.MANUAL)

    assert target.read_text() == "theirs"
    assert not Path(backup.path).is_symlink()
    keeper.folder.delete(backup)


@pytest.mark.slow
def test_a_restore_that_fails_on_its_last_step_leaves_all_as_it_was(
    sqlite_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks while tables change places, nothing has changed and nothing is held."""
    from smart_cron.store.backups import exchange

    keeper, store = sqlite_home.keeper, sqlite_home.house.store
    path = sqlite_home.plant(sqlite_home.good)

    def broken(*_: object, **__: object) -> None:
        raise RefusedBackupError("it broke here.")

    monkeypatch.setattr(exchange, "note", broken)
    with pytest.raises(RefusedBackupError, match="broke"):
        restore(keeper, store.holds, plan_restore(keeper, keeper.find(path.name)), actor="test", save=False)

    assert sqlite_home.rows() == sqlite_home.before
    assert store.holds.holds() == []


def test_nobody_but_the_owner_may_restore(sqlite_home: Home) -> None:
    state = sqlite_home.house.config.state_dir
    words = [sys.executable, "-m", "smart_cron", "backup", "restore", "latest.sql.gz", "--yes"]
    environ = {
        "SMART_CRON_HOME": str(sqlite_home.house.config.home),
        "PYTHONPATH": str(SRC),
        "PATH": os.environ["PATH"],
    }
    owner = state.stat().st_uid
    if os.geteuid() != 0:
        assert owns(sqlite_home.house.config)
        return
    os.chown(state, pwd.getpwnam("nobody").pw_uid, -1)
    try:
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False, timeout=60)
    finally:
        os.chown(state, owner, -1)

    assert done.returncode == 1
    assert "belongs to nobody" in done.stderr
    assert sqlite_home.rows() == sqlite_home.before


# Last: a process knows one house at a time, and this one is another database's --------------------------------------

POSTGRESQL_LINES = {
    "a program": rb"\! touch /tmp/pwned",
    "a copy by a program": b"COPY public.smart_cron_alerts (message) FROM PROGRAM 'id';",
    "a copy of a file": b"COPY public.smart_cron_alerts (message) FROM '/etc/passwd';",
    "a copy into a program": b"COPY public.smart_cron_alerts TO PROGRAM 'id';",
    "a client's copy": rb"\copy smart_cron_alerts from '/etc/passwd'",
    "another file": rb"\i /etc/passwd",
    "a block": b"DO $$ BEGIN EXECUTE 'DROP TABLE smart_cron_alerts'; END $$;",
    "an insert": b"INSERT INTO public.smart_cron_rate_limits (limit_key) VALUES (pg_read_file('/etc/passwd'));",
    "a call": b"SELECT pg_terminate_backend(1);",
    "a setting": b"SELECT pg_catalog.set_config('log_filename', '/tmp/pwned', false);",
    "a drop": b"DROP TABLE smart_cron_alerts;",
    "a row too short": b"COPY public.smart_cron_rate_limits (limit_key, hits) FROM stdin;\nx\n\\.",
    "no end of rows": b"COPY public.smart_cron_rate_limits (limit_key) FROM stdin;\nx",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(POSTGRESQL_LINES))
def test_statements_that_no_dump_of_postgresql_holds_are_refused(kind: str, postgresql_home: Home) -> None:
    text = postgresql_home.good + POSTGRESQL_LINES[kind] + b"\n"
    path = postgresql_home.plant(text)
    if kind != "a row too short":
        postgresql_home.refusal_of(path.name)
        return
    with (
        pytest.raises(RefusedBackupError, match="does not fit"),
        postgresql_home.keeper.source.scratch(postgresql_home.keeper.folder.path) as scratch,
    ):
        postgresql_home.keeper.load(postgresql_home.keeper.find(path.name), scratch)
    assert postgresql_home.rows() == postgresql_home.before


@pytest.mark.slow
def test_definitions_in_a_file_are_never_carried_out(postgresql_home: Home) -> None:
    """A default, a trigger or an index may call anything: they are passed over, and our own stand in their place."""
    evil = b"CREATE TABLE public.smart_cron_x (a text DEFAULT pg_read_file('/etc/passwd'));\n"
    evil += b"CREATE FUNCTION public.f() RETURNS void LANGUAGE sql AS $$ DROP TABLE smart_cron_alerts; $$;\n"
    path = postgresql_home.plant(postgresql_home.good + evil)

    plan = plan_restore(postgresql_home.keeper, postgresql_home.keeper.find(path.name))

    assert plan.contents.foreign == ("smart_cron_x",)
    with postgresql_home.keeper.source.scratch(postgresql_home.keeper.folder.path) as scratch:
        postgresql_home.keeper.load(plan.backup, scratch)
    assert postgresql_home.house.store.session.rows("SELECT 1 FROM pg_proc WHERE proname = 'f'") == []
