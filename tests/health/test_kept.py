"""What becomes of an examination: rates once an hour, the digest once a week, and the slot of a crontab line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smart_cron.config import load_config
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.services.health import Examination
from smart_cron.wiring import House, open_house, prepare
from smart_cron.wiring.health_kept import Kept, done_already, keep, slot_of
from smart_cron.wiring.health_of import Ward, ward_of

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
    return Examination(findings=findings, has_database=has_database, hangs=False, seconds=0.1)


WELL = Finding(check="memory", status=CheckStatus.OK, message="well.", node="n")


def subtypes(house: House) -> list[str | None]:
    return [alert.cause.subtype for alert in house.store.alerts.open_causes()]


def log_warning(house: House, text: str) -> None:
    now = house.clock.now()
    entry = {"level": "WARNING", "message": text, "utc": f"{now:%Y-%m-%dT%H:%M:%S.%f}Z"}
    path = house.config.log_dir / f"master-{now.astimezone():%Y-%m-%d}.log"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def test_a_week_has_one_digest(house: House, ward: Ward) -> None:
    log_warning(house, "disk is slow")

    assert keep(ward, examination(WELL)).faults == ()
    keep(ward, examination(WELL))

    (alert,) = house.store.alerts.open_causes()
    assert (alert.cause.subtype, alert.occurrences) == ("weekly_digest", 1)
    assert "1 × disk is slow" in alert.message


def test_the_next_week_s_digest_is_an_alert_of_its_own(house: House, ward: Ward) -> None:
    log_warning(house, "disk is slow")
    keep(ward, examination(WELL))
    house.store.session.execute(
        "UPDATE smart_cron_health_checks SET details = '{\"week\": \"2001-W01\"}' WHERE check_name = 'weekly_digest'"
    )

    keep(ward, examination(WELL))

    assert [alert.occurrences for alert in house.store.alerts.open_causes()] == [1]
    assert len(house.store.alerts.alerts(resolved=True)) == 1


def rollup(house: House, *, days_ago: float, runs: int, successes: int) -> None:
    at = house.clock.now() - timedelta(days=days_ago)
    hour = at.replace(minute=0, second=0, microsecond=0)
    house.store.session.execute(
        """INSERT INTO smart_cron_metrics (period, bucket_at, task_id, task_name, runs, successes, failures)
         VALUES ('hour', %s, 1, 'report', %s, %s, %s)""",
        [house.store.session.dialect.instant(hour), runs, successes, runs - successes],
    )


def compared_again(house: House) -> None:
    house.store.session.execute("DELETE FROM smart_cron_health_checks WHERE check_name = 'success_rates'")


def test_a_success_rate_that_fell_is_raised_once_and_over_when_it_rose(house: House, ward: Ward) -> None:
    rollup(house, days_ago=10, runs=50, successes=50)
    rollup(house, days_ago=3, runs=50, successes=10)
    keep(ward, examination(WELL))
    compared_again(house)
    keep(ward, examination(WELL))

    assert subtypes(house) == ["success_rate"]
    assert [alert.occurrences for alert in house.store.alerts.open_causes()] == [1]

    compared_again(house)
    rollup(house, days_ago=2, runs=5000, successes=5000)
    keep(ward, examination(WELL))
    assert subtypes(house) == []


def test_without_a_database_the_log_is_still_written(house: House, ward: Ward) -> None:
    kept = keep(ward, examination(WELL, has_database=False))

    assert kept == Kept(faults=("the database does not serve: nothing was entered and no alert raised there.",))
    (log,) = house.config.log_dir.glob("health-*.log")
    assert "memory: well." in log.read_text()
    assert house.store.health.latest(within=timedelta(hours=1)).findings == ()


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
