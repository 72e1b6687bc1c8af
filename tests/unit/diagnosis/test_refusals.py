"""Each way of not serving has a name and a remedy of its own, whichever driver tells of it."""

from __future__ import annotations

import pytest
from tests.unit.diagnosis.test_findings import surroundings

from smart_cron.core.errors import DatabaseUnavailableError, SchemaError
from smart_cron.services.diagnosis import Case, Starters, parties
from smart_cron.services.diagnosis.refusals import address_of, refusal_of

FILE = "/etc/smart-cron/smart-cron.toml"
MARIADB = "mysql://app:***@localhost:3306/jobs"
POSTGRESQL = "postgresql://app:***@db.example/jobs"


@pytest.mark.parametrize(
    ("said", "url", "name", "remedy"),
    [
        (
            "2003 Can't connect to MySQL server on 'localhost' ([Errno 111] Connection refused)",
            MARIADB,
            "no server listens",
            "systemctl start mariadb",
        ),
        (
            "2003 Can't connect to MySQL server on 'localhost' (timed out)",
            MARIADB,
            "does not answer",
            "systemctl status mariadb",
        ),
        (
            "1045 Access denied for user 'app'@'localhost' (using password: YES)",
            MARIADB,
            "user or password",
            "mariadb -h localhost -u app -p jobs",
        ),
        ("1049 Unknown database 'jobs'", MARIADB, "no such database", "CREATE DATABASE `jobs`"),
        ("1044 Access denied for user 'app'@'%' to database 'jobs'", MARIADB, "may not use", "GRANT ALL"),
        ("1040 Too many connections", MARIADB, "no more connections", "max_connections"),
        ("2026 SSL connection error: certificate verify failed", MARIADB, "no TLS", "certificate"),
        (
            "2013 Lost connection to MySQL server during query (timed out)",
            MARIADB,
            "does not answer",
            "systemctl status mariadb",
        ),
        (
            'connection failed: FATAL: password authentication failed for user "app"',
            POSTGRESQL,
            "user or password",
            "psql -h db.example -U app jobs",
        ),
        (
            'connection failed: FATAL: database "jobs" does not exist',
            POSTGRESQL,
            "no such database",
            "createdb -O app jobs",
        ),
        (
            "connection failed: FATAL: sorry, too many clients already",
            POSTGRESQL,
            "no more connections",
            "pg_stat_activity",
        ),
        (
            "connection to server at db.example failed: Connection refused",
            POSTGRESQL,
            "no server listens",
            "on db.example",
        ),
        (
            "could not translate host name db.example: Name or service not known",
            POSTGRESQL,
            "name is not known",
            "db.example",
        ),
        ("the server did not answer within 4 s", POSTGRESQL, "does not answer", "db.example"),
        ("database disk image is malformed", "sqlite:////var/x.db", "damaged", "recover"),
        ("database or disk is full", "sqlite:////var/x.db", "no room", "Make room"),
        ("unable to open database file", "sqlite:////var/x.db", "cannot be opened", "ls -la /var/x.db"),
    ],
)
def test_what_a_driver_says_is_told_apart(said: str, url: str, name: str, remedy: str) -> None:
    found = refusal_of(said)

    assert found is not None
    assert name in found.name
    assert remedy in found.remedy(address_of(url, settings_file=FILE))


def test_a_server_is_started_as_its_machine_starts_services() -> None:
    error = DatabaseUnavailableError("the database cannot be used: 2003 Can't connect (Connection refused).")

    without = parties.judge_refusal(error, surroundings(database=MARIADB))
    with_systemd = parties.judge_refusal(error, surroundings(database=MARIADB, starters=lambda: Starters(systemd=True)))

    assert without.remedy == "Start it: service mariadb start"
    assert with_systemd.remedy == "Start it: systemctl start mariadb"


def test_an_unknown_complaint_keeps_its_own_remedy() -> None:
    error = SchemaError("the tables do not fit.", remedy="Run 'smart-cron db migrate'.")

    found = parties.judge_refusal(error, surroundings())

    assert (found.case, found.remedy) == (Case.DATABASE, "Run 'smart-cron db migrate'.")


def test_a_local_server_that_is_no_process_is_said_to_be_none() -> None:
    error = DatabaseUnavailableError("the database cannot be used: 2003 Can't connect (Connection refused).")

    gone = parties.judge_refusal(error, surroundings(database=MARIADB))
    there = parties.judge_refusal(error, surroundings(database=MARIADB, programs=lambda: frozenset({"mariadbd"})))

    assert "no process of mariadb runs on this machine" in gone.sentence
    assert "no process" not in there.sentence


def test_a_url_that_cannot_be_read_has_no_address() -> None:
    address = address_of("mysql://host:notaport/x", settings_file=FILE)

    assert (address.service, address.is_local) == ("", False)
