"""`smart-cron alert`: what is wrong, seen, mended or silent, as a person asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from io import StringIO
from typing import Any

import pytest
from click import unstyle
from rich.console import Console
from tests.unit.cli.conftest import Call, Result

from smart_cron.core.alert import Alarm, Alert, AlertType, Cause, Severity
from smart_cron.faces.cli.alert import COLUMNS, _row, narrow_lines
from smart_cron.faces.cli.tables import Cell, rich_table
from smart_cron.faces.cli.text import printable
from smart_cron.wiring import House

Raise = Callable[..., int]


@pytest.fixture
def raised(house: House) -> Raise:
    """Raise an alert and return its number."""

    def raise_one(subtype: str = "clock", **changes: Any) -> int:
        cause = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=subtype, node="one")
        known: dict[str, Any] = {"cause": cause, "severity": Severity.WARNING, "message": f"{subtype} is wrong."}
        (number,) = house.store.alerts.raise_alarms([Alarm(**(known | changes))])
        return number

    return raise_one


def get(house: House, number: int) -> Alert:
    return house.store.alerts.get(number)


@pytest.mark.usefixtures("home")
def test_without_alerts_a_list_says_so(call: Call) -> None:
    assert call("alert", "list").out == "No alert is open.\n"
    assert call("alert", "list", "--all").out == "There is no such alert.\n"
    assert call("alert", "list", "--json").document == []


def test_a_list_shows_what_is_open_and_with_all_what_was(call: Call, raised: Raise, house: House) -> None:
    gone, there = raised("clock"), raised("disk")
    house.store.alerts.resolve(gone, actor="ann")

    assert [each["id"] for each in call("alert", "list", "--json").document] == [there]
    assert [each["id"] for each in call("alert", "list", "--all", "--json").document] == [there, gone]
    assert [each["id"] for each in call("alert", "list", "--resolved", "--json").document] == [gone]
    assert call("alert", "list", "--severity", "critical", "--json").document == []
    (line,) = call("alert", "list").out.splitlines()[1:]
    assert "system_health" in line
    assert "disk @one" in line
    assert line.endswith("disk is wrong.")


def test_a_list_is_of_one_task_where_it_is_named(call: Call, raised: Raise, house: House, add: Any) -> None:
    add("nightly")
    task = house.store.tasks.get("nightly")
    cause = Cause(alert_type=AlertType.TASK_FAILURE, task_id=task.id)
    own = raised(cause=cause, task_name="nightly")
    raised("clock")

    assert [each["id"] for each in call("alert", "list", "--task", "nightly", "--json").document] == [own]
    unknown = call("alert", "list", "--task", "no-such")
    assert (unknown.code, "there is no task 'no-such'" in unknown.err) == (1, True)


@pytest.mark.usefixtures("home")
def test_all_and_resolved_exclude_each_other(call: Call) -> None:
    assert call("alert", "list", "--all", "--resolved").code == 2


def test_what_a_list_prints_cannot_act_upon_a_terminal(call: Call, raised: Raise) -> None:
    number = raised("clock", message="bad \x1b]0;owned\x07 \u202etxt")

    for words in (("list",), ("list", "--json"), ("show", str(number)), ("show", str(number), "--json")):
        out = call("alert", *words).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\u202e" not in out


def test_a_table_fits_eighty_columns(raised: Raise, house: House) -> None:
    cause = Cause(alert_type=AlertType.CONSECUTIVE_FAILURES)
    number = raised(cause=cause, severity=Severity.CRITICAL, message="x" * 500, task_name="n" * 100)
    found, now, place = get(house, number), house.clock.now(), house.clock.now().tzinfo
    assert place is not None
    cells = [Cell(printable(each), "") if isinstance(each, str) else each for each in _row(found, now, place)]

    console = Console(width=80, record=True, file=StringIO())
    console.print(rich_table(COLUMNS, [cells]))

    lines = console.export_text().splitlines()
    assert len(lines) == 2
    assert "consecutive_failures" in lines[1]
    assert "critical" in lines[1]


def test_one_alert_is_shown_in_full(call: Call, raised: Raise, house: House) -> None:
    raised()
    number = raised(details={"free_mb": 3}, execution_id=17)
    house.store.alerts.acknowledge(number, user_id=4, actor="ann", note="on it")

    out = call("alert", "show", str(number)).out

    for words in ("warning, seen", "system_health (clock)", "2 times", "smart-cron run show 17", "Free mb", "on it"):
        assert words in out
    assert "by user 4" in out


def test_who_was_told_and_who_has_seen_it_is_shown(call: Call, raised: Raise, house: House) -> None:
    number, other = raised(details={"last_words": "no space"}), raised("disk")
    letter(house, "email", "ops@example.org", [other, number], sent_at="2026-01-02 03:05:05.000000")
    letter(house, "email", "ops@example.org", [number], kind="reminder", sent_at="2026-01-02 03:07:05.000000")
    letter(house, "slack", "https://hooks.slack.com/services/T/secret", [number], status="failed")
    letter(house, "email", "b@example.org", [number], status="failed", last_error="550 no such user")
    letter(house, "email", "c@example.org", [number], status="pending", last_error="451 greylisted")
    letter(house, "oncall", None, [number * 10 + 1])
    house.store.alerts.acknowledge(number, user_id=None, actor="cli:root")

    out = call("alert", "show", str(number)).out

    assert "ops@example.org 2026-01-02 03:05:05, reminder 2026-01-02 03:07:05" in out
    assert "https://hooks.slack.com/*** " in out
    assert "(failed)" in out
    assert "(failed: 550 no such user)" in out
    assert "(not sent yet: 451 greylisted)" in out
    assert not any(each in out for each in ("T/secret", "oncall", "{"))
    assert "by cli:root" in out
    assert "Last words" in out


def letter(house: House, channel: str, target: str | None, alert_ids: list[int], **changes: str) -> None:
    row = {"kind": "alert", "channel": channel, "target": target, "subject": "x", "status": "sent"} | changes
    row["alert_ids"] = json.dumps(alert_ids)
    # Whatever the clocks say to the millisecond: no letter is older than its alert.
    row["created_at"] = "2100-01-01 00:00:00.000000"
    marks = ", ".join(["%s"] * len(row))
    house.store.session.execute(
        f"INSERT INTO smart_cron_deliveries ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def test_the_gravest_come_first_and_what_is_cut_is_said(call: Call, raised: Raise) -> None:
    grave = raised("disk", severity=Severity.CRITICAL)
    warnings = [raised(f"clock{number}") for number in range(3)]

    assert [each["id"] for each in call("alert", "list", "--json").document] == [grave, *reversed(warnings)]
    lines = call("alert", "list", "--limit", "2").out.splitlines()
    assert "critical" in lines[1]
    assert lines[-1] == "4 open alerts, 2 shown: --limit 1000"
    assert "shown" not in call("alert", "list").out
    older = call("alert", "list", "--all", "--limit", "2").out.splitlines()[-1]
    assert older == f"The newest 2 are shown; older ones: --before {warnings[1]}"


def test_on_a_narrow_terminal_a_message_has_a_line_of_its_own(raised: Raise, house: House) -> None:
    message = "the disk of /var is 91 % full, which is more than the threshold of 90 %; 1.2 GB are free there."
    found = get(house, raised("disk_space", message=message, severity=Severity.CRITICAL))
    now = house.clock.now()

    lines = [unstyle(line) for line in narrow_lines([found], now, UTC, width=80)]

    assert [len(line) <= 80 for line in lines] == [True] * 3
    assert "TYPE" not in lines[0]
    assert "disk_space @one" in lines[1]
    assert lines[2].startswith("    the disk of /var is 91 % full, which is more than the threshold of 90 %")


def test_a_number_of_no_alert_is_told_and_nothing_is_changed(call: Call, raised: Raise, house: House) -> None:
    number = raised()

    for words in (("show", "999"), ("ack", str(number), "999"), ("resolve", "999", str(number))):
        told = call("alert", *words)
        assert told.code == 1
        assert "there is no alert 999. 'smart-cron alert list --all' shows the latest." in told.err
    assert not get(house, number).acknowledged
    assert not get(house, number).resolved
    assert call("alert", "show", "zero").code == 2


def test_several_are_acknowledged_at_once_and_only_once(call: Call, raised: Raise, house: House) -> None:
    one, two = raised("clock"), raised("disk")

    told = call("alert", "ack", str(one), str(two), str(one), "--note", "on it")

    assert told.out == (
        f"Alert {one} (system_health of clock) is acknowledged.\nAlert {two} (system_health of disk) is acknowledged.\n"
    )
    seen = get(house, one)
    assert (seen.acknowledged, seen.acknowledged_by, seen.note) == (True, None, "on it")
    assert "was acknowledged already" in call("alert", "ack", str(one)).out
    rows = house.store.session.rows("SELECT actor FROM smart_cron_audit_log WHERE action = 'acknowledge'")
    assert [row[0].startswith("cli:") for row in rows] == [True, True]


def test_resolving_is_noted_with_who_did_it(call: Call, raised: Raise, house: House) -> None:
    number = raised()

    assert "is resolved." in call("alert", "resolve", str(number), "--note", "mended").out
    assert "was resolved already." in call("alert", "resolve", str(number)).out
    assert "was resolved already." in call("alert", "ack", str(number)).out
    assert (get(house, number).resolved_by or "").startswith("cli:")


def test_a_silence_is_set_by_its_end_or_its_length_and_can_be_ended(call: Call, raised: Raise, house: House) -> None:
    number = raised()

    told = call("alert", "snooze", str(number), "--until", "2100-01-01 08:00")
    assert told.out == f"Alert {number} (system_health of clock) is silent until 2100-01-01 08:00:00 UTC.\n"
    assert call("alert", "list", "--json").document[0]["state"] == "snoozed"

    before = house.clock.now()
    call("alert", "snooze", str(number), "--for", "2h")
    until = get(house, number).snoozed_until
    assert until is not None
    assert until >= before + timedelta(hours=2) - timedelta(seconds=1)

    assert "is awake." in call("alert", "snooze", str(number), "--wake").out
    assert get(house, number).snoozed_until is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Say how long: --until WHEN, --for TIME or --wake."),
        (("--for", "2h", "--wake"), "Say how long"),
        (("--until", "2001-01-01"), "the silence would be over already"),
        (("--for", "-5m"), "the silence would be over already"),
        (("--for", "999999999d"), "no calendar goes that far"),
        (("--until", "soon"), "'soon' is no point in time"),
        (("--for", "long"), "'long' is no length of time"),
    ],
)
def test_a_silence_that_cannot_be_is_refused(
    call: Call, raised: Raise, house: House, options: tuple[str, ...], words: str
) -> None:
    number = raised()

    told = call("alert", "snooze", str(number), *options)

    assert (told.code, words in told.err) == (2, True), told.err
    assert get(house, number).snoozed_until is None


@pytest.mark.parametrize("words", [("ack",), ("resolve",), ("snooze", "--for", "1h"), ("snooze", "--wake")])
def test_a_dry_run_says_what_it_would_do_and_changes_nothing(
    call: Call, raised: Raise, house: House, words: tuple[str, ...]
) -> None:
    number = raised()
    before = get(house, number)

    told: Result = call("alert", *words, str(number), "--dry-run", "--note", "x")

    assert told.out.startswith("Would ")
    assert get(house, number) == before
    assert house.store.session.rows("SELECT id FROM smart_cron_audit_log WHERE entity_type = 'alert'") == []


def test_a_silence_that_is_over_counts_no_more(raised: Raise, house: House) -> None:
    number, now = raised(), house.clock.now()
    house.store.alerts.snooze(number, until=now, actor="ann")

    assert get(house, number).state(now) == "open"
    assert get(house, number).state(now - timedelta(seconds=1)) == "snoozed"


@pytest.mark.usefixtures("home")
def test_a_ping_cannot_be_tried_by_a_message_and_that_is_said(call: Call) -> None:
    told = call("alert", "test", "ping")

    assert (told.code, "it has no words. A run of a task with a --ping-url tries it" in told.err) == (1, True)
