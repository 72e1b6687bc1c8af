"""An account that may not do something is told which right it lacks, and how it is given."""

from __future__ import annotations

import pytest
from django.db import utils as django_errors

from smart_cron.core.errors import DatabaseError, DatabaseUnavailableError
from smart_cron.store.faults import translated


def told(error_class: type[Exception], *arguments: object, sqlstate: str | None = None) -> DatabaseError:
    cause = type("DriversOwn", (Exception,), {"sqlstate": sqlstate})(*arguments)
    error = error_class(*arguments)
    error.__cause__ = cause
    return translated(error)


def test_a_right_on_a_table_is_named_with_the_statement_that_gives_it() -> None:
    words = "SELECT command denied to user 'app'@'%' for table `jobs`.`smart_cron_alerts`"

    error = told(django_errors.OperationalError, 1142, words)

    assert not isinstance(error, DatabaseUnavailableError)
    assert "it lacks SELECT on the table `jobs`.`smart_cron_alerts`" in error.message
    assert "GRANT SELECT ON `jobs`.`smart_cron_alerts` TO 'app'@'%'" in error.remedy
    assert "db grants" in error.remedy


@pytest.mark.parametrize(
    ("code", "words", "right"),
    [
        (1142, "CREATE command denied to user 'app'@'%' for table `jobs`.`mine`", "CREATE"),
        (1142, "UPDATE command denied to user 'app'@'%' for table `jobs`.`smart_cron_audit_log`", "UPDATE"),
        (1143, "SELECT command denied to user 'app'@'%' for column 'note' in table 'mine'", "SELECT"),
        (1227, "Access denied; you need (at least one of) the SUPER privilege(s) for this operation", "SUPER"),
    ],
)
def test_what_an_account_that_runs_should_not_have_is_named_and_not_given(code: int, words: str, right: str) -> None:
    error = told(django_errors.OperationalError, code, words)

    assert f"it lacks {right}" in error.message
    assert "GRANT" not in error.remedy
    assert "migrate_url" in error.remedy


def test_a_routine_that_may_not_be_called_is_named_with_its_grant() -> None:
    words = "execute command denied to user 'app'@'%' for routine 'jobs.smart_cron_reset_task'"

    error = told(django_errors.OperationalError, 1370, words)

    assert "GRANT EXECUTE ON PROCEDURE jobs.smart_cron_reset_task TO 'app'@'%'" in error.remedy


def test_an_account_without_any_right_in_the_database_has_no_database_until_it_is_granted() -> None:
    error = told(django_errors.OperationalError, 1044, "Access denied for user 'app'@'%' to database 'jobs'")

    assert isinstance(error, DatabaseUnavailableError)
    assert "it has no right in the database jobs" in error.message
    assert "SHOW GRANTS FOR 'app'@'%'" in error.remedy


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("permission denied for table smart_cron_alerts", "it lacks a right on table smart_cron_alerts"),
        ("permission denied to create role", "it may not create role"),
        ("must be owner of table smart_cron_alerts", "it is not owner of table smart_cron_alerts"),
        ("something that nobody has read yet", "something that nobody has read yet"),
    ],
)
def test_of_postgresql_is_said_what_it_says_itself(words: str, said: str) -> None:
    error = told(django_errors.ProgrammingError, words, sqlstate="42501")

    assert not isinstance(error, DatabaseUnavailableError)
    assert said in error.message
    assert "db grants" in error.remedy
