"""`SmartCronAlert`: what the specification's class promises to somebody's own script."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smart_cron import SmartCronAlert
from smart_cron.config import load_config
from smart_cron.core.errors import DatabaseUnavailableError, InvalidInputError, UnknownAlertError
from smart_cron.core.task import TaskDefinition
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.wiring import House, courier, open_house, prepare

FAILURE = {"alert_type": "task_failure", "message": "Payment export failed"}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("SMART_CRON_HOME", str(tmp_path))
    monkeypatch.setenv("SMART_CRON_ALERTS__SEVERITIES", '{"memory": "info"}')
    config = load_config()
    prepare(config)
    house = open_house(config)
    yield house
    house.close()


@pytest.fixture
def alerts(house: House) -> SmartCronAlert:
    return SmartCronAlert(house)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("__init__", ["db=None", "logger=None"]),
        ("create_alert", ["data"]),
        ("send_email_notification", ["email", "alert_id=None"]),
        ("acknowledge_alert", ["alert_id", "user_id"]),
        ("resolve_alert", ["alert_id"]),
        ("get_active_alerts", ["limit=50"]),
    ],
)
def test_it_is_called_as_the_specification_says(method: str, parameters: list[str]) -> None:
    found = list(inspect.signature(getattr(SmartCronAlert, method)).parameters.values())[1:]

    assert [
        each.name if each.default is inspect.Parameter.empty else f"{each.name}={each.default!r}" for each in found
    ] == parameters


def test_an_alert_is_raised_seen_mended_and_gone(alerts: SmartCronAlert) -> None:
    number = alerts.create_alert(FAILURE)
    assert number is not None

    assert alerts.create_alert(FAILURE) == number
    (active,) = alerts.get_active_alerts()
    assert (active["id"], active["alert_type"], active["severity"], active["occurrences"]) == (
        number,
        "task_failure",
        "error",
        2,
    )
    assert alerts.acknowledge_alert(number, 1)
    assert not alerts.acknowledge_alert(number, 1)
    (seen,) = alerts.get_active_alerts()
    assert (seen["acknowledged"], seen["acknowledged_by"]) == (1, 1)
    assert alerts.resolve_alert(number)
    assert not alerts.resolve_alert(number)
    assert alerts.get_active_alerts() == []


def test_without_a_house_the_settings_name_one(house: House) -> None:
    number = SmartCronAlert().create_alert(FAILURE)

    assert house.store.alerts.get(number or 0).message == "Payment export failed"


def test_the_severity_is_what_is_said_else_what_the_settings_say_else_the_usual(alerts: SmartCronAlert) -> None:
    alerts.create_alert({"alert_type": "disk_space", "message": "full", "severity": "critical"})
    alerts.create_alert({"alert_type": "memory", "message": "full"})
    alerts.create_alert({"alert_type": "stuck_task", "message": "stuck"})

    assert [alert["severity"] for alert in alerts.get_active_alerts()] == ["error", "info", "critical"]


@pytest.mark.parametrize("key", ["task_id", "task_name"])
def test_a_task_is_named_by_its_number_or_its_name(alerts: SmartCronAlert, house: House, key: str) -> None:
    task = house.store.tasks.add(TaskDefinition(name="export", script="/bin/true", schedule="* * * * *"), actor="x")

    alerts.create_alert({**FAILURE, key: task.id if key == "task_id" else "export", "details": {"lines": 3}})

    (active,) = alerts.get_active_alerts()
    assert (active["task_id"], active["task_name"], active["details"]) == (task.id, "export", {"lines": 3})


def test_no_more_are_returned_than_asked_for_newest_first(alerts: SmartCronAlert) -> None:
    for name in ("a", "b", "c"):
        alerts.create_alert({"alert_type": "system_health", "message": name, "subtype": name})

    assert [alert["message"] for alert in alerts.get_active_alerts(2)] == ["c", "b"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, ["2 problems", "alert_type: None is none of task_failure, ", "message: a sentence is needed"]),
        ({**FAILURE, "alert_type": "oops"}, ["'oops' is none of task_failure, task_timeout, "]),
        ({**FAILURE, "alert_type": ["task_failure"]}, ["is none of task_failure"]),
        ({**FAILURE, "severity": "high"}, ["severity: 'high' is none of critical, error, warning, info"]),
        ({**FAILURE, "message": "  "}, ["message: a sentence is needed"]),
        ({**FAILURE, "colour": "red"}, ["colour: no key of an alert; keys are alert_type, message, "]),
        ({**FAILURE, "task_id": "7; DROP"}, ["task_id: a whole number from 1 to 2147483647 is needed"]),
        ({**FAILURE, "task_id": 7}, ["task_id: there is no task '7'. 'smart-cron task list'"]),
        ({**FAILURE, "task_name": "nobody"}, ["task_name: there is no task 'nobody'."]),
        ({**FAILURE, "execution_id": True}, ["execution_id: a whole number"]),
        ({**FAILURE, "details": "text"}, ["details: a mapping is needed, got 'text'"]),
        ({**FAILURE, "node": 3}, ["node: a text is needed, got 3"]),
    ],
)
def test_bad_data_is_refused_key_by_key(alerts: SmartCronAlert, data: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        alerts.create_alert(data)

    for each in words:
        assert each in str(refused.value)
    assert alerts.get_active_alerts() == []


def test_a_number_that_no_alert_has_is_told(alerts: SmartCronAlert) -> None:
    with pytest.raises(UnknownAlertError):
        alerts.acknowledge_alert(99, 1)
    with pytest.raises(UnknownAlertError):
        alerts.resolve_alert(99)
    with pytest.raises(InvalidInputError, match="user_id: a whole number from 1"):
        alerts.acknowledge_alert(99, 0)
    with pytest.raises(InvalidInputError, match="limit: a whole number from 1"):
        alerts.get_active_alerts(-1)


def test_where_the_database_does_not_serve_there_is_no_number(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> list[int]:
        raise DatabaseUnavailableError("the server is gone.")

    monkeypatch.setattr(house.store.alerts, "raise_alarms", refuse)

    assert SmartCronAlert(house).create_alert(FAILURE) is None
    (spooled,) = AlarmSpool(house.config.state_dir).all()
    assert spooled.alarm.message == "Payment export failed"


def test_without_a_database_an_alert_waits_for_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"mysql://smart_cron@127.0.0.1:{taken.getsockname()[1]}/smart_cron"
        monkeypatch.setenv("SMART_CRON_DATABASE__URL", url)

        assert SmartCronAlert().create_alert({**FAILURE, "task_name": "export"}) is None

    (spooled,) = AlarmSpool(house.config.state_dir).all()
    assert (spooled.alarm.task_name, spooled.alarm.severity) == ("export", "error")


def test_mail_is_of_one_alert_or_of_all_that_are_active(
    alerts: SmartCronAlert, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, list[int]]] = []

    def send(of: House, email: str, alert_ids: list[int]) -> bool:
        assert of is house
        sent.append((email, list(alert_ids)))
        return bool(alert_ids)

    monkeypatch.setattr(courier, "send_alert_mail", send)
    one, two = alerts.create_alert(FAILURE), alerts.create_alert({"alert_type": "memory", "message": "full"})

    assert alerts.send_email_notification("ops@example.org", one)
    assert alerts.send_email_notification("ops@example.org")
    assert sent == [("ops@example.org", [one]), ("ops@example.org", [two, one])]


@pytest.mark.parametrize("address", ["", "ops", "a@b\nBcc: c@d", "a@b,c@d", None])
def test_what_is_no_address_is_refused(alerts: SmartCronAlert, address: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"is no address such as ops@example\.org"):
        alerts.send_email_notification(address)


def test_the_documented_example_runs(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    example = text.partition("```python\n")[2].partition("```")[0]
    monkeypatch.setattr(courier, "send_alert_mail", lambda *_: True)
    SmartCronAlert(house).create_alert(FAILURE)

    exec(compile(example, "docs/alerts.md", "exec"), {})

    assert capsys.readouterr().out == "error None Payment export failed\n"
    assert [alert.resolved_by for alert in house.store.alerts.alerts(resolved=True)] == ["SmartCronAlert"]
