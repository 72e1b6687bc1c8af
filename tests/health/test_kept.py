"""What becomes of an examination: rates once an hour and the slot of a crontab line; and the digest once a week."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smart_cron.config import load_config
from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.services.health import Examination
from smart_cron.wiring import House, open_house, prepare
from smart_cron.wiring.caretaking import do_chores_once
from smart_cron.wiring.courier import deliver_once
from smart_cron.wiring.health_kept import Kept, done_already, keep, slot_of
from smart_cron.wiring.health_of import Ward, ward_of
from smart_cron.wiring.weekly import tell_weekly

SECONDS = 60.0


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = load_config({"SMART_CRON_HOME": str(tmp_path / "h"), "SMART_CRON_HEALTH__PROBE_SECONDS": "60"})
    prepare(config)
    house = open_house(config)
    yield house
    house.close()


@pytest.fixture
def ward(house: House) -> Ward:
    return ward_of(house.config, {}, house.store)


def examination(*findings: Finding, has_database: bool = True) -> Examination:
    return Examination(findings=findings, has_database=has_database, seconds=0.1)


WELL = Finding(check="memory", status=CheckStatus.OK, message="well.", node="n")


def subtypes(house: House) -> list[str | None]:
    return [alert.cause.subtype for alert in house.store.alerts.open_causes()]


def log_warning(house: House, text: str, *, age: timedelta = timedelta(days=3)) -> None:
    now = house.clock.now() - age
    entry = {"level": "WARNING", "message": text, "utc": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"}
    path = house.config.log_dir / f"master-{now.astimezone():%Y-%m-%d}.log"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def test_a_week_has_one_digest(house: House) -> None:
    log_warning(house, "disk is slow")

    assert tell_weekly(house)
    assert not tell_weekly(house)

    (alert,) = house.store.alerts.open_causes()
    assert (alert.cause.subtype, alert.occurrences) == ("weekly_digest", 1)
    assert "1 × disk is slow" in alert.message
    assert list((house.config.state_dir / "alerts").iterdir()) == []


def test_a_system_that_began_today_has_no_digest_yet(house: House) -> None:
    log_warning(house, "disk is slow", age=timedelta())
    assert not tell_weekly(house)
    assert subtypes(house) == []

    log_warning(house, "disk is slower")
    tell_weekly(house)
    assert subtypes(house) == ["weekly_digest"]


def test_the_next_week_s_digest_is_an_alert_of_its_own_and_the_end_of_the_last_is_no_news(house: House) -> None:
    log_warning(house, "disk is slow")
    tell_weekly(house)
    house.store.session.execute(
        "UPDATE smart_cron_health_checks SET details = '{\"week\": \"2001-W01\"}' WHERE check_name = 'weekly_digest'"
    )

    tell_weekly(house)

    assert [alert.occurrences for alert in house.store.alerts.open_causes()] == [1]
    assert len(house.store.alerts.alerts(resolved=True)) == 1
    assert house.store.session.rows("SELECT untold FROM smart_cron_alerts ORDER BY id") == [(0,), (1,)]


def test_the_health_task_has_nothing_to_do_with_the_digest_which_the_master_tells(house: House, ward: Ward) -> None:
    log_warning(house, "disk is slow")

    assert keep(ward, examination(WELL)).faults == ()
    assert subtypes(house) == []
    do_chores_once(house)
    assert subtypes(house) == ["weekly_digest"]


def test_a_finding_and_its_alert_are_there_together_or_not_at_all(house: House, ward: Ward) -> None:
    full = Finding(check="disk_space", status=CheckStatus.CRITICAL, message="full.", node="n")
    house.store.session.execute("DROP TABLE smart_cron_alerts")

    (fault,) = keep(ward, examination(full)).faults

    assert fault.startswith("the rows and alerts could not be written")
    assert house.store.health.latest(within=timedelta(hours=1)).findings == ()


@pytest.fixture
def report(house: House) -> Task:
    """A task that went well in the week before, and does not in this one."""
    definition = TaskDefinition(name="report", script="/bin/true", schedule="* * * * *")
    report = house.store.tasks.add(definition, actor="test")
    rollup(house, report, days_ago=10, runs=50, successes=50)
    rollup(house, report, days_ago=3, runs=50, successes=10)
    return report


def rollup(house: House, task: Task, *, days_ago: float, runs: int, successes: int) -> None:
    at = house.clock.now() - timedelta(days=days_ago)
    hour = at.replace(minute=0, second=0, microsecond=0)
    house.store.session.execute(
        """INSERT INTO smart_cron_metrics (period, bucket_at, task_id, task_name, runs, successes, failures)
         VALUES ('hour', %s, %s, 'report', %s, %s, %s)""",
        [house.store.session.dialect.instant(hour), task.id, runs, successes, runs - successes],
    )


def compared(house: House, ward: Ward) -> list[str | None]:
    """Compare as an hour later, and return what is open then."""
    house.store.session.execute("DELETE FROM smart_cron_health_checks WHERE check_name = 'success_rates'")
    assert keep(ward, examination(WELL)).faults == ()
    return subtypes(house)


def test_a_success_rate_that_fell_is_raised_once_and_over_when_it_rose(house: House, ward: Ward, report: Task) -> None:
    assert compared(house, ward) == ["success_rate"]
    assert compared(house, ward) == ["success_rate"]
    assert [alert.occurrences for alert in house.store.alerts.open_causes()] == [1]

    rollup(house, report, days_ago=2, runs=5000, successes=5000)
    assert compared(house, ward) == []


def test_a_fall_that_somebody_resolved_is_not_told_again_that_week(house: House, ward: Ward, report: Task) -> None:
    compared(house, ward)
    (alert,) = house.store.alerts.open_causes()
    house.store.alerts.resolve(alert.id, actor="ann")
    assert compared(house, ward) == []

    eight_days_ago = house.store.session.dialect.instant(house.clock.now() - timedelta(days=8))
    house.store.session.execute("UPDATE smart_cron_alerts SET resolved_at = %s", [eight_days_ago])
    assert compared(house, ward) == ["success_rate"]


@pytest.mark.parametrize("change", ["enabled = 0", "anomaly_tolerance = 0", "alert_on_failure = 0"])
def test_a_task_that_is_off_or_silenced_raises_no_fall(house: House, ward: Ward, report: Task, change: str) -> None:
    house.store.session.execute(f"UPDATE smart_cron_tasks_config SET {change} WHERE id = %s", [report.id])

    assert compared(house, ward) == []


def test_without_a_database_the_log_is_still_written(house: House, ward: Ward) -> None:
    kept = keep(ward, examination(WELL, has_database=False))

    assert kept == Kept(faults=("the database does not serve: nothing was entered and no alert raised there.",))
    (log,) = house.config.log_dir.glob("health-*.log")
    assert "memory: well." in log.read_text()
    assert house.store.health.latest(within=timedelta(hours=1)).findings == ()


def test_what_is_wrong_without_a_database_waits_for_the_master(house: House, ward: Ward) -> None:
    full = Finding(check="disk_space", status=CheckStatus.CRITICAL, message="full.", node="n")
    down = Finding(check="database", status=CheckStatus.CRITICAL, message="refused.", node="n")

    kept = keep(ward, examination(WELL, full, down, has_database=False))

    assert len(kept.faults) == 1
    # That the database is away its master tells of itself.
    assert [each.alarm.message for each in AlarmSpool(house.config.state_dir).all()] == ["full."]
    deliver_once(house)
    assert subtypes(house) == ["disk_space"]


def test_what_a_database_that_is_gone_amid_did_not_take_waits_for_the_master(
    house: House, ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DatabaseUnavailableError("the server is gone.")

    monkeypatch.setattr(house.store.health, "note", refuse)
    full = Finding(check="disk_space", status=CheckStatus.CRITICAL, message="full.", node="n")

    (fault,) = keep(ward, examination(full)).faults

    assert "the server is gone" in fault
    assert [each.alarm.message for each in AlarmSpool(house.config.state_dir).all()] == ["full."]


def test_what_cannot_be_entered_is_said(house: House, ward: Ward) -> None:
    house.store.session.execute("DROP TABLE smart_cron_health_checks")

    (fault,) = keep(ward, examination(WELL)).faults

    assert fault.startswith("the rows and alerts could not be written")


def test_a_slot_is_taken_by_whoever_looked_in_it(house: House, ward: Ward) -> None:
    assert not done_already(ward, seconds=SECONDS)

    keep(ward, examination(WELL))
    in_an_hour = house.store.session.dialect.instant(house.clock.now() + timedelta(hours=1))
    house.store.session.execute("UPDATE smart_cron_health_checks SET checked_at = %s", [in_an_hour])

    assert done_already(ward, seconds=SECONDS)


def test_a_database_that_is_away_leaves_the_slot_free(house: House, ward: Ward) -> None:
    house.store.session.execute("DROP TABLE smart_cron_health_checks")

    assert not done_already(ward, seconds=SECONDS)


def test_slots_are_the_built_in_task_s() -> None:
    assert slot_of(datetime(2026, 3, 1, 12, 9, 59, 7, tzinfo=UTC)) == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    assert slot_of(datetime(2026, 3, 1, 12, 5, tzinfo=UTC)) == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
