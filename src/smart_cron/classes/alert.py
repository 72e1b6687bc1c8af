"""The specification's class `SmartCronAlert` in Python's spelling: alerts from and for somebody's own scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from smart_cron.core.alert import Alarm, AlertType, Cause, Severity
from smart_cron.core.alert_columns import alert_columns
from smart_cron.core.alert_rules import read_severities
from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import DatabaseUnavailableError, InvalidInputError, UnknownTaskError
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.wiring import House, open_house

if TYPE_CHECKING:
    from smart_cron.logs.logger import SmartCronLogger

KEYS = (
    "alert_type",
    "message",
    "severity",
    "task_id",
    "task_name",
    "execution_id",
    "subtype",
    "node",
    "details",
)
_NUMBERS = {"task_id": 2**31 - 1, "execution_id": 2**63 - 1}
_TEXTS = ("message", "task_name", "subtype", "node")
_ADDRESS = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+")
ACTOR = "SmartCronAlert"


class SmartCronAlert:
    """Alert management. *db* is a House, or None for the one that the settings name."""

    def __init__(self, db: House | None = None, logger: SmartCronLogger | None = None) -> None:
        self._house = _own_house() if db is None else db
        self._logger = logger

    def create_alert(self, data: Mapping[str, Any]) -> int | None:
        """Raise an alert and return its number; an open one of the same cause is counted up and its number returned.

        *data* has `alert_type` (one of the specification's seven) and `message`, and may have `severity` (else as the
        settings say for this type), `task_id` or `task_name`, `execution_id`, `subtype`, `node` and `details` (a
        mapping). Raise InvalidInputError for anything else, all faults at once. Return None where the database does
        not serve: the alert is spooled in the state directory, told from there by this node's master, and entered
        when the database is back. Where that cannot be, either, the logger is told.
        """
        _refuse([*_problems(data)])
        try:
            (number,) = self._house.store.alerts.raise_alarms([self._alarm(data, *self._task(data))])
        except DatabaseUnavailableError as error:
            self._spool(data, error.message)
            return None
        return number

    def _spool(self, data: Mapping[str, Any], reason: str) -> None:
        alarm = self._alarm(data, data.get("task_id"), data.get("task_name"))
        context = {"message": data["message"], "reason": reason}
        try:
            AlarmSpool(self._house.config.state_dir).put(alarm, at=self._house.clock.now())
        except OSError as error:
            context["spool"] = error.strerror or str(error)
            self._log("An alert could not be written", context)
        else:
            self._log("An alert waits for the database", context)

    def _alarm(self, data: Mapping[str, Any], task_id: int | None, task_name: str | None) -> Alarm:
        alert_type = AlertType(data["alert_type"])
        found = Severity(data["severity"]) if data.get("severity") else None
        usual = read_severities(self._house.config.alerts.severities).of(alert_type)
        return Alarm(
            cause=Cause(alert_type=alert_type, subtype=data.get("subtype"), task_id=task_id, node=data.get("node")),
            severity=found or usual,
            message=data["message"],
            task_name=task_name,
            execution_id=data.get("execution_id"),
            details=data.get("details") or {},
        )

    def _task(self, data: Mapping[str, Any]) -> tuple[int | None, str | None]:
        """Return a task's number and name, of which one is enough."""
        named = data.get("task_id") or data.get("task_name")
        if named is None:
            return None, None
        try:
            task = self._house.store.tasks.get(str(named))
        except UnknownTaskError as error:
            key = "task_id" if data.get("task_id") else "task_name"
            raise InvalidInputError([f"{key}: {error.message}"], remedy=error.remedy) from None
        return task.id, task.name

    def send_email_notification(self, email: str, alert_id: int | None = None) -> bool:
        """Mail an alert, or all active ones, to an address now; False where there is none or it was not taken.

        What is refused for now a master tries again, as any other message; `smart-cron alert show` has the words.

        Raise InvalidInputError for what is no address, UnknownAlertError for a number that no alert has.
        """
        from smart_cron.wiring.courier import send_alert_mail

        _refuse([*_address_problems(email)])
        numbers = [alert["id"] for alert in self.get_active_alerts()] if alert_id is None else [alert_id]
        return send_alert_mail(self._house, email, numbers)

    def acknowledge_alert(self, alert_id: int, user_id: int) -> bool:
        """Note that this user has seen it; False where it is acknowledged or resolved already.

        Raise UnknownAlertError where there is none.
        """
        _refuse([*_number_problems("user_id", user_id, 2**31 - 1)])
        actor = Actor(f"user {user_id}", source=Source.API, user_id=user_id)
        return self._house.store.alerts.acknowledge(alert_id, user_id=user_id, actor=actor)

    def resolve_alert(self, alert_id: int) -> bool:
        """Note that it is mended; False where it is resolved already. Raise UnknownAlertError where there is none."""
        return self._house.store.alerts.resolve(alert_id, actor=ACTOR)

    def get_active_alerts(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the alerts that are not resolved, newest first, keyed by column; flags 0 or 1, instants in UTC."""
        _refuse([*_number_problems("limit", limit, 100_000)])
        return [alert_columns(alert) for alert in self._house.store.alerts.alerts(resolved=False, limit=limit)]

    def _log(self, message: str, context: Mapping[str, object]) -> None:
        if self._logger is not None:
            self._logger.critical(message, dict(context))
        else:
            self._house.log.critical(message, **context)


def _own_house() -> House:
    """Return the house that the settings name, its database away or not: an alert may be raised all the same."""
    try:
        return open_house()
    except DatabaseUnavailableError:
        return open_house(check_schema=False)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InvalidInputError(problems)


def _problems(data: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(str(key) for key in data if key not in KEYS)
    if unknown:
        yield f"{', '.join(unknown)}: no key of an alert; keys are {', '.join(KEYS)}"
    yield from _word_problems("alert_type", data.get("alert_type"), AlertType)
    if data.get("severity") is not None:
        yield from _word_problems("severity", data["severity"], Severity)
    if not isinstance(data.get("message"), str) or not data["message"].strip():
        yield "message: a sentence is needed"
    for key in _TEXTS:
        if data.get(key) is not None and not isinstance(data[key], str):
            yield f"{key}: a text is needed, got {data[key]!r:.100}"
    for key, largest in _NUMBERS.items():
        if data.get(key) is not None:
            yield from _number_problems(key, data[key], largest)
    if data.get("details") is not None and not isinstance(data["details"], Mapping):
        yield f"details: a mapping is needed, got {data['details']!r:.100}"


def _address_problems(email: object) -> Iterator[str]:
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email):
        yield f"email: {email!r:.100} is no address such as ops@example.org"


def _word_problems(key: str, word: object, known: type[StrEnum]) -> Iterator[str]:
    if word not in list(known):
        yield f"{key}: {word!r:.100} is none of {', '.join(known)}"


def _number_problems(key: str, value: object, largest: int) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= largest:
        yield f"{key}: a whole number from 1 to {largest} is needed, got {value!r:.100}"
