"""Jobs that run elsewhere and report by ping: the port `PingStore`. All instants are the database's own clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from smart_cron.core.ping import (
    NOBODY_LISTENS,
    SILENCE,
    Ping,
    PingCheck,
    PingExistsError,
    PingState,
    PingTerms,
    UnknownPingError,
    alarm_of,
    cause_of,
    is_unheard,
    judged,
    nobody_listens,
    require_sound,
)
from smart_cron.core.ports.alerts import AlertStore
from smart_cron.store.audit import Audit, changes
from smart_cron.store.foreign import near, seconds, word
from smart_cron.store.record_rows import fitting
from smart_cron.store.session import Session

_COLUMNS = (
    "id, check_name, description, key_hint, period_seconds, grace_seconds, longest_run_seconds, enabled, alert_email,"
    " created_at, listened_at, back_at, last_start_at, last_ping_at, last_exit_code, last_duration, last_words, pings,"
    " state"
)
HINT_CHARACTERS = 4
# What people decide of a check.
TERM_COLUMNS = (
    "check_name", "description", "period_seconds", "grace_seconds", "longest_run_seconds", "enabled", "alert_email",
)  # fmt: skip


class Pings:
    """Keeps checks, takes pings, and notices silence. The row's lock is what makes one alert of one fault."""

    def __init__(self, session: Session, audit: Audit, alerts: AlertStore) -> None:
        self._session, self._audit, self._alerts = session, audit, alerts
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def add(self, terms: PingTerms, *, key: str, actor: str) -> PingCheck:
        """Enter a check whose key this is; only its SHA-256 is kept. Raise PingExistsError, InvalidInputError."""
        require_sound(terms)
        return self._session.again(lambda: self._add(terms, key, actor))

    def _add(self, terms: PingTerms, key: str, actor: str) -> PingCheck:
        if self._find("check_name = %s", terms.name):
            raise PingExistsError(terms.name)
        row = _row(terms) | {"key_hash": _hash(key), "key_hint": key[:HINT_CHARACTERS]}
        marks = ", ".join(["%s"] * len(row))
        number = self._session.insert(
            f"INSERT INTO smart_cron_ping_checks ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )
        self._audit.note("add", actor=actor, entity=("ping", number, terms.name), new=_row(terms))
        return self._named(terms.name)

    def get(self, name: str) -> PingCheck:
        """Raise UnknownPingError where there is none."""
        return self._named(name)

    def checks(self) -> Sequence[PingCheck]:
        """Return every check, by name."""
        return self._all("")

    def change(self, terms: PingTerms, *, actor: str) -> PingCheck:
        """Give the check of this name other terms. Raise UnknownPingError, InvalidInputError."""
        require_sound(terms)
        return self._session.again(lambda: self._change(terms, actor))

    def _change(self, terms: PingTerms, actor: str) -> PingCheck:
        before = self._named(terms.name, lock=True)
        row = _row(terms)
        old, new = changes(_row(before.terms), row)
        self._set(before.id, row)
        self._audit.note("edit", actor=actor, entity=("ping", before.id, terms.name), old=old, new=new)
        self._take_up(replace(before, terms=terms), actor)
        return self._named(terms.name)

    def _take_up(self, check: PingCheck, actor: str) -> None:
        """Judge by the new terms. What is bad now is left to the next look, which tells of it."""
        now = self._session.now()
        if check.state is PingState.PAUSED and check.terms.enabled:
            # Nobody asked for reports in the pause: the next one is due a period from now.
            check = replace(check, back_at=now + check.terms.period)
            self._set(check.id, {"back_at": self._written(check.back_at)})
        state = judged(check, now=now)
        if not state.is_bad:
            self._settle_state(check, state, by=actor, by_person=True)

    def rotate(self, name: str, *, key: str, actor: str) -> PingCheck:
        """Let this be the check's key; the one before is worth nothing from now on. Raise UnknownPingError."""
        return self._session.again(lambda: self._rotate(name, key, actor))

    def _rotate(self, name: str, key: str, actor: str) -> PingCheck:
        check = self._named(name, lock=True)
        self._set(check.id, {"key_hash": _hash(key), "key_hint": key[:HINT_CHARACTERS]})
        self._audit.note("rotate key", actor=actor, entity=("ping", check.id, name))
        return self._named(name)

    def remove(self, name: str, *, actor: str) -> None:
        """Forget the check, and resolve what stood open of it. Raise UnknownPingError."""
        self._session.again(lambda: self._remove(name, actor))

    def _remove(self, name: str, actor: str) -> None:
        check = self._named(name, lock=True)
        self._session.execute("DELETE FROM smart_cron_ping_checks WHERE id = %s", [check.id])
        self._alerts.resolve_causes([cause_of(name)], by=actor, by_person=True)
        self._audit.note("remove", actor=actor, entity=("ping", check.id, name), old=_row(check.terms))

    def record(self, key: str, ping: Ping) -> bool:
        """Write a ping down and raise or resolve the alert for it; False where no check has this key."""
        return self._session.again(lambda: self._record(_hash(key), ping))

    def _record(self, key_hash: str, ping: Ping) -> bool:
        check = self._find("key_hash = %s", key_hash, lock=True)
        if check is None:
            return False
        now = self._session.now()
        after = self._noted(check, ping, now)
        # Judged as of the ping itself: it is neither late nor overdue at this instant.
        state = judged(after, now=after.last_start_at if ping.is_start and after.last_start_at else now)
        self._set(check.id, self._news(after) | {"pings": check.pings + 1, "state": str(state)})
        if ping.is_success:
            self._alerts.resolve_causes([check.cause], by=f"ping:{check.terms.name}"[:100])
        elif state is PingState.FAILED:
            self._alerts.raise_alarms([alarm_of(after, state, now=now)])
        return True

    def _noted(self, check: PingCheck, ping: Ping, now: datetime) -> PingCheck:
        words = fitting(ping.words) or check.last_words if ping.is_start else fitting(ping.words)
        if ping.is_start:
            # SQLite's clock has milliseconds: a start within the same one is later than the end before it.
            after_end = (check.last_ping_at or now - timedelta(days=1)) + timedelta(microseconds=1)
            return replace(check, last_start_at=max(now, after_end), last_words=words)
        ran = (now - check.last_start_at).total_seconds() if check.is_running and check.last_start_at else None
        return replace(
            check,
            last_ping_at=max(now, check.last_start_at or now),
            last_exit_code=ping.exit_code,
            last_duration=ran,
            last_words=words,
        )

    def _news(self, check: PingCheck) -> dict[str, object]:
        return {
            "last_start_at": self._written(check.last_start_at),
            "last_ping_at": self._written(check.last_ping_at),
            "last_exit_code": check.last_exit_code,
            "last_duration": check.last_duration,
            "last_words": check.last_words,
        }

    def listening(self) -> None:
        """Say that a web server takes pings now."""
        self._session.again(self._listening)

    def _listening(self) -> None:
        now = self._session.now()
        instant = self._instant(now)
        # In this order: MariaDB and MySQL see what an assignment to the left of another one has changed.
        changed = self._session.execute(
            """UPDATE smart_cron_ping_checks
                SET back_at = CASE WHEN listened_at IS NULL OR listened_at < %s THEN %s ELSE back_at END,
                    listened_at = %s
             WHERE listened_at IS NULL OR listened_at < %s""",
            [self._instant(now - SILENCE), instant, instant, instant],
        )
        if changed:
            self._alerts.resolve_causes([NOBODY_LISTENS], by="web server")

    def look(self) -> Sequence[PingCheck]:
        """Raise an alert for each check that turned bad by silence, once however many nodes look; return these."""
        # Most have none: then there is nothing to lock.
        if self._session.row("SELECT id FROM smart_cron_ping_checks LIMIT 1") is None:
            return ()
        return self._session.again(self._look)

    def _look(self) -> Sequence[PingCheck]:
        checks, now = self._all(self._session.dialect.lock), self._session.now()
        unheard = [check for check in checks if is_unheard(check, now=now)]
        if unheard:
            self._say_nobody_listens(unheard, now)
        turned = []
        for check in checks:
            state = check.state if check in unheard else judged(check, now=now)
            if state is check.state:
                continue
            self._settle_state(check, state, by="ping check")
            if state.is_bad:
                self._alerts.raise_alarms([alarm_of(check, state, now=now)])
                turned.append(replace(check, state=state))
        return turned

    def _say_nobody_listens(self, unheard: Sequence[PingCheck], now: datetime) -> None:
        """Once: other nodes wait for the rows' locks and find it open."""
        if any(alert.cause == NOBODY_LISTENS for alert in self._alerts.open_causes(NOBODY_LISTENS.alert_type)):
            return
        since = max((check.listened_at for check in unheard if check.listened_at), default=None)
        self._alerts.raise_alarms([nobody_listens(since=since, now=now)])

    def _settle_state(self, check: PingCheck, state: PingState, *, by: str, by_person: bool = False) -> None:
        """Write the state; what stood for a bad one is over where terms were changed so that it is none."""
        self._set(check.id, {"state": str(state)})
        if check.state.is_bad and not state.is_bad:
            self._alerts.resolve_causes([check.cause], by=by, by_person=by_person)

    def _named(self, name: str, *, lock: bool = False) -> PingCheck:
        found = self._find("check_name = %s", name, lock=lock)
        if found is None:
            raise UnknownPingError(name)
        return found

    def _find(self, condition: str, value: str, *, lock: bool = False) -> PingCheck | None:
        locked = self._session.dialect.lock if lock else ""
        row = self._session.row(f"SELECT {_COLUMNS} FROM smart_cron_ping_checks WHERE {condition}{locked}", [value])
        return None if row is None else self._check(row)

    def _all(self, lock: str) -> list[PingCheck]:
        rows = self._session.rows(f"SELECT {_COLUMNS} FROM smart_cron_ping_checks ORDER BY check_name{lock}")
        return [self._check(row) for row in rows]

    def _set(self, number: int, values: Mapping[str, object]) -> None:
        sets = ", ".join(f"{name} = %s" for name in values)
        self._session.execute(f"UPDATE smart_cron_ping_checks SET {sets} WHERE id = %s", [*values.values(), number])

    def _written(self, instant: datetime | None) -> str | None:
        return None if instant is None else self._instant(instant)

    def _check(self, row: Sequence[Any]) -> PingCheck:
        (
            number, name, description, hint, period, grace, longest, enabled, email, created, listened, back,
            started, ended, exit_code, duration, words, pings, state,
        ) = row  # fmt: skip
        created_at = near(self._read(created))
        assert created_at is not None
        return PingCheck(
            id=number,
            terms=PingTerms(
                name=word(name),
                period=seconds(period),
                grace=seconds(grace),
                longest_run=None if longest is None else seconds(longest),
                description=description,
                alert_email=email,
                enabled=bool(enabled),
            ),
            key_hint=hint,
            created_at=created_at,
            listened_at=near(self._read(listened)),
            back_at=near(self._read(back)),
            last_start_at=near(self._read(started)),
            last_ping_at=near(self._read(ended)),
            last_exit_code=exit_code,
            last_duration=duration,
            last_words=words,
            pings=pings,
            # A word of somebody else's SQL: the next look finds the right one.
            state=PingState(state) if state in set(PingState) else PingState.NEW,
        )


def _row(terms: PingTerms) -> dict[str, object]:
    longest = terms.longest_run
    return {
        "check_name": terms.name,
        "description": terms.description,
        "period_seconds": int(terms.period.total_seconds()),
        "grace_seconds": int(terms.grace.total_seconds()),
        "longest_run_seconds": None if longest is None else int(longest.total_seconds()),
        "enabled": int(terms.enabled),
        "alert_email": terms.alert_email,
    }


def _hash(key: str) -> str:
    """A key has 160 random bits: a plain hash keeps it, and a salted one could not be looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
