"""Jobs that run elsewhere and report by ping: what state they are in, from instants alone, and what is told of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from smart_cron.core.alert import PING_PREFIX, Alarm, AlertType, Cause, Severity
from smart_cron.core.errors import InvalidInputError, SmartCronError
from smart_cron.core.harmless import without_escapes
from smart_cron.core.spans import span

# The alert's subtype is 'ping:NAME' in 100 characters.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,90}", re.ASCII)
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=3660)
WORDS_CHARACTERS = 1000
# The web server says each minute that it listens; three lost in a row are an outage.
SILENCE = timedelta(minutes=3)
# Whatever acts on a terminal or turns the direction of reading; line breaks and tabs may stay.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class PingState(StrEnum):
    """What is thought of a job elsewhere."""

    NEW = "new"
    UP = "up"
    STARTED = "started"
    LATE = "late"
    FAILED = "failed"
    NEVER_ENDED = "never_ended"
    PAUSED = "paused"

    @property
    def is_bad(self) -> bool:
        """Whether an alert stands for it."""
        return self in {PingState.LATE, PingState.FAILED, PingState.NEVER_ENDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """One report. A start has no exit code; an end without one failed without saying how."""

    is_start: bool = False
    exit_code: int | None = None
    words: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether it says that the job ended well."""
        return not self.is_start and self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PingTerms:
    """What a job elsewhere has agreed to: report once a period, late by at most the grace."""

    name: str
    period: timedelta
    grace: timedelta
    longest_run: timedelta | None = None
    description: str | None = None
    alert_email: str | None = None
    enabled: bool = True

    @property
    def longest(self) -> timedelta:
        """How long after its start it may go on."""
        return self.longest_run or self.period + self.grace


@dataclass(frozen=True, slots=True, kw_only=True)
class PingCheck:
    """A job elsewhere as it is stored. Instants are the database's clock; `key_hint` is how its key begins.

    `state` is what was last found and told. `back_at` is since when pings can be received without a gap.
    """

    id: int
    terms: PingTerms
    key_hint: str
    created_at: datetime
    state: PingState = PingState.NEW
    listened_at: datetime | None = None
    back_at: datetime | None = None
    last_start_at: datetime | None = None
    last_ping_at: datetime | None = None
    last_exit_code: int | None = None
    last_duration: float | None = None
    last_words: str | None = None
    pings: int = 0

    @property
    def is_running(self) -> bool:
        """Whether its last word was that it starts."""
        start, end = self.last_start_at, self.last_ping_at
        return start is not None and (end is None or start > end)

    @property
    def cause(self) -> Cause:
        """What its alerts are about."""
        return cause_of(self.terms.name)


def cause_of(name: str) -> Cause:
    """Return what the alerts of the check *name* are about."""
    return Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype=f"{PING_PREFIX}{name}")


NOBODY_LISTENS = Cause(alert_type=AlertType.SYSTEM_HEALTH, subtype="ping_listener")


class UnknownPingError(SmartCronError):
    """No check has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no ping check '{name}'.", remedy="'smart-cron ping list' shows them all.")


class PingExistsError(SmartCronError):
    """A check of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a ping check '{name}' exists already.", remedy=f"Choose another name, or 'smart-cron ping edit {name}'."
        )


def require_sound(terms: PingTerms) -> None:
    """Raise InvalidInputError with every fault of the terms at once."""
    problems = list(_problems(terms))
    if problems:
        raise InvalidInputError(problems)


def _problems(terms: PingTerms) -> Iterator[str]:
    if not _NAME.fullmatch(terms.name):
        yield f"the name {terms.name[:100]!r} must be 1 to 90 of the letters A-Z and a-z, digits, '_' and '-'"
    for option, length in (("--every", terms.period), ("--longest", terms.longest_run)):
        if length is not None and not SHORTEST <= length <= LONGEST:
            yield f"{option} must be between {span(SHORTEST)} and {span(LONGEST)}, got {span(length)}"
    if not timedelta(0) <= terms.grace <= LONGEST:
        yield f"--grace must be between 0 s and {span(LONGEST)}, got {span(terms.grace)}"
    email = terms.alert_email
    if email and (len(email) > 255 or not re.fullmatch(r"[^\s@<>,;\x00-\x1f\x7f]+@[^\s@<>,;\x00-\x1f\x7f]+", email)):
        yield f"--alert-email {email[:100]!r} is no e-mail address"
    if len(terms.description or "") > 500:
        yield "--description is longer than 500 characters"


def judged(check: PingCheck, *, now: datetime) -> PingState:
    """Return what state a check is in. A start counts as a sign of life; what is overdue after it is its end."""
    if not check.terms.enabled:
        return PingState.PAUSED
    if check.is_running:
        return PingState.NEVER_ENDED if now > _over_at(check) else PingState.STARTED
    if now > _late_at(check):
        return PingState.LATE
    if check.last_ping_at is None:
        return PingState.NEW
    return PingState.UP if check.last_exit_code == 0 else PingState.FAILED


def due_at(check: PingCheck) -> datetime:
    """Return when the next report is due. One that never reported is counted from when it was added."""
    return (check.last_ping_at or check.created_at) + check.terms.period


def next_due_at(check: PingCheck) -> datetime:
    """Return when something is to be heard at the latest, without grace: of one that runs it is its end."""
    return _over_at(check) if check.is_running else due_at(check)


def _late_at(check: PingCheck) -> datetime:
    # While nobody listened, nobody could report: whoever was due then has its grace from our return on.
    due = due_at(check)
    return max(due, check.back_at or due) + check.terms.grace


def _over_at(check: PingCheck) -> datetime:
    assert check.last_start_at is not None
    over = check.last_start_at + check.terms.longest
    if check.back_at is None or check.back_at <= check.last_start_at:
        return over
    return max(over, check.back_at + check.terms.grace)


def is_unheard(check: PingCheck, *, now: datetime) -> bool:
    """Whether no web server has taken pings for so long that silence says nothing about the job."""
    return check.terms.enabled and now - (check.listened_at or check.created_at) > SILENCE


def alarm_of(check: PingCheck, state: PingState, *, now: datetime) -> Alarm:
    """Return the alert for a bad state."""
    terms = check.terms
    details: dict[str, object] = {"check": terms.name, "state": str(state), "exit_code": check.last_exit_code}
    if check.last_words:
        details["last_words"] = check.last_words
    if terms.alert_email:
        details["alert_email"] = terms.alert_email
    return Alarm(cause=check.cause, severity=Severity.ERROR, message=_sentence(check, state, now=now), details=details)


def _sentence(check: PingCheck, state: PingState, *, now: datetime) -> str:
    name = f"The job '{check.terms.name}', which reports by ping,"
    if state is PingState.NEVER_ENDED and check.last_start_at:
        return f"{name} started {span(now - check.last_start_at)} ago and has not reported its end."
    if state is PingState.LATE:
        overdue = span(now - due_at(check))
        if check.last_ping_at is None:
            return f"{name} has not reported since it was added; a report was due {overdue} ago."
        return f"{name} is late: a report was due {overdue} ago. Does it run, and does it reach us?"
    how = "" if check.last_exit_code is None else f" with exit code {check.last_exit_code}"
    return f"{name} failed{how}."


def nobody_listens(*, since: datetime | None, now: datetime) -> Alarm:
    """Return the alert for checks whose pings nobody takes."""
    how_long = "ever since they were added" if since is None else f"for {span(now - since)}"
    return Alarm(
        cause=NOBODY_LISTENS,
        severity=Severity.ERROR,
        message=f"No web server has taken pings {how_long}, so no job elsewhere can report: "
        "start 'smart-cron dashboard'.",
    )


def cleaned_words(body: bytes) -> str | None:
    """Return the last words in a body as harmless text of at most 1000 characters, the end of what is longer."""
    text = without_escapes(body.decode("utf-8", "replace").replace("\r\n", "\n"))
    # Shown, not dropped: something stood there.
    text = _UNSAFE.sub("\ufffd", text).strip()
    short = text if len(text) <= WORDS_CHARACTERS else "…" + text[1 - WORDS_CHARACTERS :]
    return short or None
