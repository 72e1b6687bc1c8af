"""Alarms that the database could not take: told from files by the usual rules, and entered once when it is back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.alerts.silent_log import SilentLog
from tests.alerts.test_outage import Ground, _Channel, _Clock
from tests.conformance.scene import NOON

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.core.alert_text import compose
from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.core.message import Message, MessageKind, RunFacts
from smart_cron.core.task import TaskDefinition
from smart_cron.services.alerts import alarm_spool
from smart_cron.services.alerts.alarm_desk import AlarmDesk
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.services.alerts.direct_post import DirectPost
from smart_cron.services.alerts.outage import OutageWatch
from smart_cron.services.alerts.routing import CourierSettings, Wanted
from smart_cron.services.alerts.spool import Spool
from smart_cron.store.gateway import open_store

DISK = Alarm(
    cause=Cause(alert_type=AlertType.DISK_SPACE, subtype="disk_space", node="one"),
    severity=Severity.CRITICAL,
    message="/var is 95 % full.",
    details={"measured": 95.0},
)
MEMORY = replace(DISK, cause=Cause(alert_type=AlertType.MEMORY, node="one"), message="no memory is left.")
MINUTE = timedelta(minutes=1)
SETTINGS = CourierSettings(
    node="one",
    zone=ZoneInfo("UTC"),
    email="ops@example.com",
    channels=[Wanted(channel="chat", min_severity=Severity.INFO)],
)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    store = open_store(f"sqlite://{tmp_path / 'smart-cron.db'}", alias="spool")
    store.database.migrate()
    yield Ground(tmp_path, store)
    store.database.close()


def spool_of(ground: Ground) -> AlarmSpool:
    return AlarmSpool(ground.folder)


def desk(ground: Ground) -> AlarmDesk:
    """Return a desk as a fresh process has it."""
    return AlarmDesk(
        spool=spool_of(ground),
        database=ground,  # type: ignore[arg-type]
        alerts=ground.store.alerts,
        tasks=ground.store.tasks,
        tellings=ground.store.tellings,
        settings=SETTINGS,
        compose=composed,
        post=DirectPost(open_channel=lambda name: _Channel(ground, name), clock=_Clock(ground), log=SilentLog()),
        clock=_Clock(ground),
        log=SilentLog(),
    )


def composed(kind: MessageKind, alerts: Sequence[Alert], facts: RunFacts | None) -> Message:
    return compose(kind, alerts, facts, link="", installation="one", now=NOON)


def files(ground: Ground) -> list[Path]:
    return sorted((ground.folder / "alerts").glob("alarm-*"))


def alerts(ground: Ground) -> list[tuple[object, ...]]:
    return ground.store.session.rows(
        "SELECT alert_type, severity, message, occurrences, untold FROM smart_cron_alerts ORDER BY id"
    )


# the files -------------------------------------------------------------------------------------------------


def test_one_cause_is_one_file_that_counts_and_only_becomes_graver(ground: Ground) -> None:
    spool = spool_of(ground)
    spool.put(DISK, at=NOON)
    spool.put(replace(DISK, severity=Severity.WARNING, message="/var is 96 % full."), at=NOON + MINUTE)
    spool.put(MEMORY, at=NOON + MINUTE)

    disk, memory = spool.all()

    assert (disk.times, disk.since, disk.alarm) == (2, NOON, replace(DISK, message="/var is 96 % full."))
    assert (memory.times, memory.alarm) == (1, MEMORY)


def test_files_are_closed_to_others_and_a_torn_one_counts_as_none(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)
    (file,) = files(ground)

    assert stat.S_IMODE(os.stat(file).st_mode) == 0o640
    file.write_text('{"alert_type": "disk')
    assert spool_of(ground).all() == []


def test_no_alarm_is_lost_although_many_put_theirs_in_at_once(ground: Ground) -> None:
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(spool_of(ground).put, DISK, at=NOON) for _ in range(40)]:
            each.result()

    (spooled,) = spool_of(ground).all()
    assert spooled.times == 40


def test_a_folder_that_is_a_link_is_not_followed(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> None:
    """SECURITY 36."""
    victim = tmp_path_factory.mktemp("victim")
    (ground.folder / "alerts").symlink_to(victim)

    with pytest.raises(OSError):
        spool_of(ground).put(DISK, at=NOON)

    assert list(victim.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is somebody else in a home")
def test_root_writes_nothing_in_another_users_home(ground: Ground) -> None:
    """SECURITY 36."""
    os.chown(ground.folder, 65534, 65534)

    with pytest.raises(PermissionError, match="another user"):
        spool_of(ground).put(DISK, at=NOON)

    assert not (ground.folder / "alerts").exists()


def test_a_script_without_end_does_not_fill_the_disk(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_spool, "MOST_FILES", 1)
    spool_of(ground).put(replace(DISK, message="x" * 10**6, details={"all": "y" * 10**6}), at=NOON)
    with pytest.raises(OSError, match="wait there already"):
        spool_of(ground).put(MEMORY, at=NOON)

    (file,) = files(ground)
    assert file.stat().st_size < alarm_spool.MAX_BYTES
    (spooled,) = spool_of(ground).all()
    assert spooled.alarm.details == {"left_out": "1000011 characters of details"}


# while the database is away --------------------------------------------------------------------------------


def test_it_is_told_once_to_everybody_by_the_usual_rules_and_names_no_number(ground: Ground) -> None:
    warning = replace(MEMORY, severity=Severity.WARNING)
    spool_of(ground).put(warning, at=NOON)
    spool_of(ground).put(DISK, at=NOON + MINUTE)

    for _ in range(3):
        desk(ground).tell()

    # A warning is mailed to nobody; whoever asked for all hears of both, in one message.
    assert sorted((name, target) for name, target, _ in ground.sent) == [("chat", ""), ("email", "ops@example.com")]
    (_, _, chat), (_, _, mail) = sorted(ground.sent, key=lambda each: each[0])
    assert mail.subject == "[one] CRITICAL: /var is 95 % full."
    assert "smart-cron alert" not in mail.text + chat.text
    assert "no memory is left" in chat.text


def test_whoever_did_not_take_it_is_asked_again_later(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)
    ours, ground.takes = desk(ground), False
    ours.tell()

    ground.takes = True
    ours.tell()
    assert ground.sent == []
    ground.after(MINUTE)
    ours.tell()
    assert len(ground.sent) == 2


def test_an_outage_has_them_told_and_its_end_has_them_entered(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)
    watch = OutageWatch(
        spool=Spool(ground.folder),
        database=ground,  # type: ignore[arg-type]
        tellings=ground.store.tellings,
        settings=SETTINGS,
        compose=composed,
        open_channel=lambda name: _Channel(ground, name),
        clock=_Clock(ground),
        log=SilentLog(),
        alarms=desk(ground),
    )
    ground.serves = False
    watch.lost("Connection refused.", since=NOON)
    assert watch.look()
    assert len(ground.sent) == 2

    ground.serves = True
    watch.back()
    assert not watch.look()
    assert alerts(ground) == [("disk_space", "critical", "/var is 95 % full.", 1, 0)]


# when it is back -------------------------------------------------------------------------------------------


def test_what_was_told_is_entered_as_told_and_no_second_message_leaves(ground: Ground) -> None:
    for _ in range(3):
        spool_of(ground).put(DISK, at=NOON)
    desk(ground).tell()

    desk(ground).enter()
    desk(ground).enter()

    assert alerts(ground) == [("disk_space", "critical", "/var is 95 % full.", 3, 0)]
    assert (files(ground), ground.letters()) == ([], [])


def test_what_nobody_heard_of_is_left_to_the_courier(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)

    desk(ground).enter()

    assert alerts(ground) == [("disk_space", "critical", "/var is 95 % full.", 1, 1)]


def test_whoever_did_not_take_it_gets_a_letter(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)
    ground.broken = "chat"
    desk(ground).tell()

    desk(ground).enter()

    assert ground.letters() == [("alert", "chat", None, "pending")]


def test_it_is_counted_on_the_incident_that_is_open(ground: Ground) -> None:
    ground.store.alerts.raise_alarms([replace(DISK, severity=Severity.WARNING)])
    spool_of(ground).put(DISK, at=NOON)

    desk(ground).enter()

    assert alerts(ground) == [("disk_space", "critical", "/var is 95 % full.", 2, 1)]


def test_a_task_that_was_only_named_is_looked_up(ground: Ground) -> None:
    definition = TaskDefinition(name="report", script="/bin/true", schedule="* * * * *")
    task = ground.store.tasks.add(definition, actor="test")
    cause = Cause(alert_type=AlertType.TASK_FAILURE)
    for alarm in (
        replace(DISK, cause=cause, task_name="report"),
        replace(DISK, cause=replace(cause, task_id=task.id)),
        replace(DISK, cause=cause, task_name="gone"),
    ):
        spool_of(ground).put(alarm, at=NOON)

    desk(ground).enter()

    rows = ground.store.session.rows("SELECT task_id, task_name, occurrences FROM smart_cron_alerts ORDER BY task_name")
    assert rows == [(None, "gone", 1), (task.id, "report", 2)]


def test_a_database_that_is_away_again_leaves_them_where_they_are(ground: Ground) -> None:
    spool_of(ground).put(DISK, at=NOON)
    ground.serves = False

    with pytest.raises(DatabaseUnavailableError):
        desk(ground).enter()

    assert len(files(ground)) == 1


def test_what_happens_while_it_is_entered_stays_for_the_next_time(ground: Ground) -> None:
    spool = spool_of(ground)
    spool.put(DISK, at=NOON)
    (before,) = spool.all()
    spool.put(DISK, at=NOON)

    spool.entered(before)

    assert [each.times for each in spool.all()] == [1]
