"""A year of a task as a calendar, and its last day as a line: what became of its slots, by colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from html import escape

from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from smart_cron.core.ledger import LedgerRun
from smart_cron.core.run import SlotOutcome, SlotRange, Status
from smart_cron.core.task_board import Pulse

DAY, WEEKS, CELL = timedelta(days=1), 53, 13
LINE_MINUTES, STEP_MINUTES = 1440, 10


@dataclass(slots=True)
class Day:
    """What became of a task's slots in one day of UTC. `not_run` leaves out what a later run made up for."""

    on: date
    runs: int = 0
    failures: int = 0
    not_run: int = 0

    def says(self, phrases: _Phrases) -> str:
        """Return the day in a sentence."""
        words = {"on": self.on.isoformat(), "runs": self.runs, "failures": self.failures, "gone": self.not_run}
        if not self.runs and not self.not_run:
            return phrases.nothing % words
        said = phrases.ran % words
        return phrases.did_not_run % {**words, "said": said} if self.not_run else said


class _Phrases:
    """In the language of who asks, looked up once for a year of days."""

    def __init__(self) -> None:
        self.nothing = _("%(on)s: nothing")
        self.ran = _("%(on)s: %(runs)d runs, %(failures)d failed")
        self.did_not_run = _("%(said)s, %(gone)d slots did not run")


@dataclass(frozen=True, slots=True)
class Cell:
    """A day in the calendar, at its place."""

    x: int
    y: int
    look: str
    says: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """A year of days, the sums, and its months for the table."""

    cells: Sequence[Cell]
    months: Sequence[tuple[str, Day]]
    labels: Sequence[tuple[int, str]]
    sentence: str
    width: int = WEEKS * CELL
    height: int = 7 * CELL

    @property
    def squares(self) -> SafeString:
        """The cells as parts of a picture: a template would take several times as long for so many.

        Looks and places are ours; the sentence may hold marks of another language.
        """
        return SafeString(
            "".join(
                f'<rect class="day-{cell.look}" x="{cell.x}" y="{cell.y}" width="11" height="11" rx="2">'
                f"<title>{escape(cell.says)}</title></rect>"
                for cell in self.cells
            )
        )


def days_of(pulses: Iterable[Pulse], ranges: Iterable[SlotRange], *, first: date, last: date) -> list[Day]:
    """Return every day from first to last."""
    days = {first + number * DAY: Day(first + number * DAY) for number in range((last - first).days + 1)}
    for pulse in pulses:
        if (day := days.get(pulse.at.date())) is not None:
            day.runs += pulse.runs
            day.failures += pulse.failures
    for gap in ranges:
        if gap.outcome != SlotOutcome.COALESCED:
            _spread(gap, days)
    return list(days.values())


def _spread(gap: SlotRange, days: dict[date, Day]) -> None:
    """Share the slots of a range out among its days, evenly: a year must not be told slot by slot."""
    begins, ends = gap.first.date(), gap.last.date()
    length = (ends - begins).days + 1
    each, more = divmod(gap.count, length)
    for on, day in days.items():
        if begins <= on <= ends:
            day.not_run += each + ((on - begins).days < more)


def calendar_of(days: Sequence[Day]) -> Calendar:
    """Return the calendar of these days, weeks as columns that begin on a Monday."""
    most = max((day.runs for day in days), default=0)
    offset = days[0].on.weekday()
    cells, labels, phrases = [], [], _Phrases()
    for number, day in enumerate(days):
        column, row = divmod(number + offset, 7)
        cells.append(Cell(x=column * CELL, y=row * CELL, look=_look(day, most), says=day.says(phrases)))
        if day.on.day == 1:
            labels.append((column * CELL, date_format(day.on, "M")))
    months: dict[str, Day] = {}
    for day in days:
        month = months.setdefault(f"{day.on:%Y-%m}", Day(day.on))
        month.runs, month.failures = month.runs + day.runs, month.failures + day.failures
        month.not_run += day.not_run
    words = {
        "runs": sum(day.runs for day in days),
        "bad": sum(bool(day.failures) for day in days),
        "gone": sum(day.not_run for day in days),
    }
    sentence = _("Runs in a year: %(runs)d. Days with failures: %(bad)d. Slots that did not run: %(gone)d.") % words
    columns = (len(days) + offset + 6) // 7
    return Calendar(cells, list(months.items()), labels, sentence, width=columns * CELL)


def _look(day: Day, most: int) -> str:
    if day.failures:
        return "bad-all" if day.failures >= day.runs else "bad"
    if day.runs:
        return f"good-{1 + min(3, 4 * day.runs // (most + 1))}"
    return "gone" if day.not_run else "none"


@dataclass(slots=True)
class Stretch:
    """Some minutes of the last day."""

    x: int
    begins: datetime
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def look(self) -> str:
        """The worst that became of a slot in it."""
        order = ("bad", "gone", "held", "running", "good")
        return next(look for look in order if any(look_of(outcome) == look for outcome in self.outcomes))

    @property
    def counts(self) -> Sequence[tuple[str, int]]:
        """How many slots became what. A template that asks a counter for `items` gets how many there are called so."""
        return sorted(self.outcomes.items())

    @property
    def says(self) -> str:
        """What became of its slots."""
        told = ", ".join(f"{count} {outcome}" for outcome, count in self.counts)
        return f"{self.begins:%H:%M} UTC: {told}"


def look_of(outcome: str) -> str:
    """Return what an outcome looks like."""
    if outcome == Status.SUCCESS:
        return "good"
    if outcome in (SlotOutcome.MISSED, SlotOutcome.SKIPPED, SlotOutcome.COALESCED):
        return "gone"
    if outcome == SlotOutcome.HELD:
        return "held"
    active = {str(status) for status in Status if not status.is_final}
    return "running" if outcome in active else "bad"


def line_of(runs: Iterable[LedgerRun], gone: Iterable[tuple[datetime, str]], *, since: datetime) -> list[Stretch]:
    """Return the stretches of a day from *since* on in which something became of a slot, the last attempt of it."""
    last = {run.scheduled_for: str(run.status) for run in runs if run.scheduled_for is not None}
    found: dict[int, Stretch] = {}
    for slot, outcome in (*last.items(), *gone):
        minutes = int((slot - since).total_seconds() // 60)
        if 0 <= minutes < LINE_MINUTES:
            x = minutes // STEP_MINUTES * STEP_MINUTES
            stretch = found.setdefault(x, Stretch(x, since + timedelta(minutes=x)))
            stretch.outcomes[outcome] += 1
    return [found[x] for x in sorted(found)]
