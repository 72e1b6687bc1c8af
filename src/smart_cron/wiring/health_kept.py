"""What becomes of an examination: rows, alerts, and a line a check in the health log.

Each in a thread with a deadline, as the checks themselves: the log may lie on the mount that hangs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.alert import Alarm, AlertType
from smart_cron.core.alert_rules import read_severities
from smart_cron.core.errors import DatabaseUnavailableError, SmartCronError
from smart_cron.core.health import FRESH, CheckStatus, Finding, LatestHealth
from smart_cron.core.ports import Log
from smart_cron.logs.events import open_event_log
from smart_cron.services.alerts.alarm_spool import AlarmSpool
from smart_cron.services.health import DATABASE, Examination, tell
from smart_cron.services.health.telling import graded
from smart_cron.services.metrics.trends import SUBTYPE, WEEK, success_rate_falls
from smart_cron.services.patience import Attempt
from smart_cron.store.gateway import Store
from smart_cron.wiring.health_of import Ward

# The specification's crontab line and the built-in task look at these minutes.
EVERY = timedelta(minutes=5)
TRENDS = "success_rates"
LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was written. `faults` are sentences about what could not be; `hangs` as of an examination."""

    raised: int = 0
    resolved: int = 0
    faults: tuple[str, ...] = ()
    hangs: bool = False


def keep(ward: Ward, examination: Examination) -> Kept:
    """Write what was found, as far as that is possible within half of what a check may take."""
    until = time.monotonic() + max(LEAST_SECONDS, ward.config.health.probe_seconds / 2)
    logging = Attempt(lambda: _log(ward, examination), name="health-log")
    if not examination.has_database:
        spooling = Attempt(lambda: _spool(ward, examination), name="health-spool")
        faults = [
            _fault_of(logging, until, "the health log"),
            "the database does not serve: nothing was entered and no alert raised there.",
            _fault_of(spooling, until, "what is to be told without it"),
        ]
        return Kept(faults=tuple(filter(None, faults)), hangs=not (logging.is_over and spooling.is_over))
    rows = Attempt(lambda: _enter(ward, examination), name="health-rows")
    faults = [_fault_of(logging, until, "the health log"), _fault_of(rows, until, "the rows and alerts")]
    attempts: list[Attempt[Any]] = [logging, rows]
    if not rows.is_over or isinstance(rows.fault, DatabaseUnavailableError):
        attempts.append(Attempt(lambda: _spool(ward, examination), name="health-spool"))
        faults.append(_fault_of(attempts[-1], time.monotonic() + LEAST_SECONDS, "what is to be told without it"))
    raised, resolved = rows.result or (0, 0)
    hangs = not all(attempt.is_over for attempt in attempts)
    return Kept(raised=raised, resolved=resolved, faults=tuple(filter(None, faults)), hangs=hangs)


def _fault_of(attempt: Attempt[Any], until: float, what: str) -> str:
    if not attempt.wait(until):
        return f"{what} could not be written in time."
    if attempt.fault is None:
        return ""
    reason = attempt.fault.message if isinstance(attempt.fault, SmartCronError) else repr(attempt.fault)
    return f"{what} could not be written: {reason}"


def _spool(ward: Ward, examination: Examination) -> None:
    """Leave what is wrong to the master, which tells it without the database and enters it later.

    That the database is away it tells of itself. Raise OSError where there is no place for it.
    """
    spool, now = AlarmSpool(ward.config.state_dir), ward.clock.now()
    for alarm in graded(examination.findings, read_severities(ward.config.alerts.severities)):
        if alarm.cause.subtype != DATABASE:
            spool.put(alarm, at=now)


def _enter(ward: Ward, examination: Examination) -> tuple[int, int]:
    try:
        told = ward.store.session.again(lambda: _tell_findings(ward, examination))
        _tell_trends(ward)
        return told
    finally:
        ward.store.database.close()


def _tell_findings(ward: Ward, examination: Examination) -> tuple[int, int]:
    """In one transaction: there is no finding without its alert, and no alert of a finding that is nowhere."""
    ward.store.health.note(examination.findings)
    return tell(examination.findings, ward.store.alerts, read_severities(ward.config.alerts.severities))


def _tell_trends(ward: Ward) -> None:
    """Once an hour: raise success rates that fell from one week to the next, and resolve those that rose again."""
    node, now, store = ward.config.node_name, ward.clock.now(), ward.store
    hour = f"{now:%Y-%m-%dT%H}"
    if store.health.last_details(TRENDS, node=node).get("hour") == hour:
        return
    # Read before: on SQLite nobody else writes while a transaction is open.
    alarms = success_rate_falls(store.rollups, now=now)
    store.session.again(lambda: _enter_trends(store, alarms, _trends_told(len(alarms), node, hour)))


def _enter_trends(store: Store, alarms: Sequence[Alarm], row: Finding) -> None:
    causes = [alarm.cause for alarm in alarms]
    told = [alert.cause for alert in store.alerts.open_causes(AlertType.SYSTEM_HEALTH)]
    over = [cause for cause in told if cause.subtype == SUBTYPE and cause not in causes]
    # One that stands open was told, and so was one that somebody resolved: it is no new event that the week goes on.
    known = {*told, *store.alerts.causes_resolved_since(store.database.now() - WEEK, subtype=SUBTYPE)}
    store.alerts.raise_alarms([alarm for alarm in alarms if alarm.cause not in known])
    store.alerts.resolve_causes(over, by=TRENDS)
    store.health.note([row])


def _trends_told(fallen: int, node: str, hour: str) -> Finding:
    return Finding(
        check=TRENDS,
        status=CheckStatus.OK,
        message=f"success rates of this week and the one before were compared; {fallen} fell.",
        measured=float(fallen),
        unit="tasks",
        node=node,
        details={"hour": hour},
    )


def _log(ward: Ward, examination: Examination) -> None:
    log = open_event_log(ward.config.log_dir, kind="health", level=ward.config.log_level)
    for finding in examination.findings:
        _speaking(log, finding)(f"{finding.check}: {finding.message}", **_fields(finding))
    word = "System is healthy" if examination.is_healthy else "System is unhealthy"
    log.info(word, checks=len(examination.findings), seconds=round(examination.seconds, 3))
    log.flush()


def _speaking(log: Log, finding: Finding) -> Callable[..., None]:
    words: dict[CheckStatus, Callable[..., None]] = {
        CheckStatus.OK: log.info,
        CheckStatus.WARNING: log.warning,
        CheckStatus.UNKNOWN: log.error,
        CheckStatus.CRITICAL: log.critical,
    }
    return words[finding.status]


def _fields(finding: Finding) -> dict[str, object]:
    fields = {
        "check": finding.check,
        "status": str(finding.status),
        "remedy": finding.remedy or None,
        "measured": finding.measured,
        "threshold": finding.threshold,
        "unit": finding.unit,
        "response_time_ms": finding.response_time_ms,
    }
    return {name: value for name, value in fields.items() if value is not None}


def done_already(ward: Ward, *, seconds: float) -> LatestHealth | None:
    """Return what somebody found in this slot of five minutes; None where nobody looked or the answer is late."""
    slot = slot_of(ward.clock.now())

    def ask() -> LatestHealth | None:
        try:
            health = ward.store.health
            return health.latest(within=FRESH) if health.checked_since(slot) else None
        finally:
            ward.store.database.close()

    attempt = Attempt(ask, name="health-slot")
    return attempt.result if attempt.wait(time.monotonic() + seconds) else None


def slot_of(now: datetime) -> datetime:
    """Return the slot of the built-in task that *now* lies in."""
    return now - timedelta(
        minutes=now.minute % (EVERY // timedelta(minutes=1)), seconds=now.second, microseconds=now.microsecond
    )
