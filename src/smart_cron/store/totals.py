"""All tasks together by hour and day, so that no page reads a row for each task and hour. The port `TotalStore`.

They stand in `smart_cron_metrics` as rows of no task (`task_id` 0), one for each node, and are reckoned once an hour or
a day is over. Where there is a total it is exact: whoever adds to an hour that is over deletes its total and its day's
in the same transaction, and counts up the *gate*, a row of its own. Whoever reckons a total reads the gate, then the
sums, and keeps the total only where the gate, locked, still says the same. What has no total is summed up from tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from smart_cron.core.histogram import from_text, merged
from smart_cron.core.rollup import HOUR, Period, Rollup, day_of, hour_of
from smart_cron.store.bulk import placeholders
from smart_cron.store.rollups import OPEN, READ, SUMMED, TOTALS, rollup_of, values_of
from smart_cron.store.session import Session
from smart_cron.store.total_gate import ALL_TASKS, GATE, OF_ALL

DAY = timedelta(days=1)
# Hours are over for good that ended so long ago: by so much may the clocks of nodes differ.
SETTLED = timedelta(minutes=10)
# Of so many days there are totals of hours; beyond, days have to do.
HOURS_KEPT = timedelta(days=8)
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)
_LENGTHS = {Period.HOUR_TOTAL: HOUR, Period.DAY_TOTAL: DAY}

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Covered:
    """What totals say of a span: their rows, and the parts of the span of which there are none, in order."""

    rollups: Sequence[Rollup]
    gaps: Sequence[Span]


class Totals:
    """Reckons and reads them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._instant, self._read_instant = session.dialect.instant, session.dialect.read_instant

    # Reading

    def of(self, since: datetime, until: datetime, *, node: str | None = None, by_hour: bool = False) -> Covered:
        """Return what is known of since <= hour < until, on all nodes or one.

        With *by_hour* no day stands for its hours.
        """
        periods = [Period.HOUR_TOTAL] if by_hour else list(_LENGTHS)
        rows = self._session.rows(
            f"""SELECT period, node, {", ".join(READ)} FROM smart_cron_metrics
             WHERE {OF_ALL} IN ({placeholders(periods)}) AND bucket_at >= %s AND bucket_at < %s""",
            [*(period.value for period in periods), self._instant(since), self._instant(until)],
        )
        there = [(Period(period), whose, rollup_of(self._session, rest)) for period, whose, *rest in rows]
        days = {
            each.bucket_at for period, _, each in there if period is Period.DAY_TOTAL and each.bucket_at + DAY <= until
        }
        used = [
            (period, whose, each)
            for period, whose, each in there
            if (each.bucket_at in days if period is Period.DAY_TOTAL else day_of(each.bucket_at) not in days)
        ]
        covered = sorted({(each.bucket_at, each.bucket_at + _LENGTHS[period]) for period, _, each in used})
        return Covered(
            rollups=[each for _, whose, each in used if node is None or whose == node],
            gaps=list(_gaps(covered, since, until)),
        )

    # Reckoning

    def reckon(self, *, enough: Callable[[], bool]) -> int:
        """Reckon what is missing, the newest first, until there is *enough*; return how many totals were made."""
        if not self._has_gate():
            # Whoever is in the middle of adding has not seen it: this once nothing is reckoned.
            return 0
        now = self._session.now()
        made = 0
        for period, at in self._missing(now):
            if enough():
                break
            made += self._make(period, at)
        self._drop_old(now)
        return made

    def _has_gate(self) -> bool:
        if self._version() is not None:
            return True
        self._session.again(
            lambda: OPEN.run(self._session, [_row(Rollup(bucket_at=_NEVER), GATE, self._instant(_NEVER), "")])
        )
        return False

    def _version(self, *, locked: bool = False) -> int | None:
        lock = self._session.dialect.lock if locked else ""
        row = self._session.row(f"SELECT runs FROM smart_cron_metrics WHERE {OF_ALL} = '{GATE}'{lock}")
        return None if row is None else int(row[0])

    def _missing(self, now: datetime) -> Iterator[tuple[Period, datetime]]:
        began = self._began()
        if began is None:
            return
        over = hour_of(now - SETTLED)
        first = max(hour_of(began), over - HOURS_KEPT)
        there, made_days = self._there(first), self._made_days(first)
        for period, at in _backwards(Period.HOUR_TOTAL, over - HOUR, first, there):
            if day_of(at) not in made_days:
                yield period, at
        yield from _backwards(Period.DAY_TOTAL, day_of(over) - DAY, day_of(began), there)

    def _began(self) -> datetime | None:
        """Return the first hour or day of any task."""
        rows = [
            self._session.row(f"SELECT MIN(bucket_at) FROM smart_cron_metrics WHERE period = '{period}'")
            for period in (Period.HOUR, Period.DAY)
        ]
        found = [self._read_instant(row[0]) for row in rows if row and row[0] is not None]
        return min((each for each in found if each is not None), default=None)

    def _there(self, hours_from: datetime) -> set[tuple[Period, datetime]]:
        rows = self._session.rows(
            f"""SELECT DISTINCT period, bucket_at FROM smart_cron_metrics
             WHERE {OF_ALL} = '{Period.DAY_TOTAL}' OR {OF_ALL} = '{Period.HOUR_TOTAL}' AND bucket_at >= %s""",
            [self._instant(hours_from)],
        )
        return {(Period(period), at) for period, raw in rows if (at := self._read_instant(raw)) is not None}

    def _made_days(self, first: datetime) -> set[datetime | None]:
        """Return the days whose hours were made into days already, which is none where hours are kept for long."""
        sql = f"SELECT DISTINCT bucket_at FROM smart_cron_metrics WHERE period = '{Period.DAY}' AND bucket_at >= %s"
        return {self._read_instant(row[0]) for row in self._session.rows(sql, [self._instant(day_of(first))])}

    def _make(self, period: Period, at: datetime) -> bool:
        version = self._version()
        sums = self._reckoned(period, at)
        return self._session.again(lambda: self._keep(period, at, sums, version))

    def _reckoned(self, period: Period, at: datetime) -> dict[str, Rollup]:
        """Return what ran in that time, by node."""
        where, params = self._source(period, at)
        nodes = self._session.rows(
            f"SELECT node, MIN(bucket_at), {TOTALS} FROM smart_cron_metrics WHERE {where} GROUP BY node", params
        )
        spreads: dict[str, list[str]] = {}
        for node, text in self._session.rows(
            f"SELECT node, duration_histogram FROM smart_cron_metrics WHERE {where} AND duration_histogram IS NOT NULL",
            params,
        ):
            spreads.setdefault(node, []).append(text)
        return {
            node: replace(
                rollup_of(self._session, (*rest, None)),
                bucket_at=at,
                histogram=merged(from_text(text) for text in spreads.get(node, ())),
            )
            for node, *rest in nodes
        }

    def _source(self, period: Period, at: datetime) -> tuple[str, list[object]]:
        """Return the rows to sum up: a day's hours, where all of them have their totals, else what tasks have."""
        span: list[object] = [self._instant(at), self._instant(at + _LENGTHS[period])]
        inside = "bucket_at >= %s AND bucket_at < %s"
        if period is Period.HOUR_TOTAL:
            return f"period = '{Period.HOUR}' AND {inside}", span
        hours = f"{OF_ALL} = '{Period.HOUR_TOTAL}' AND {inside}"
        row = self._session.row(f"SELECT COUNT(DISTINCT bucket_at) FROM smart_cron_metrics WHERE {hours}", span)
        return (hours if row and row[0] == DAY / HOUR else f"{SUMMED} AND {inside}"), span

    def _keep(self, period: Period, at: datetime, sums: Mapping[str, Rollup], version: int | None) -> bool:
        if self._version(locked=True) != version or self._is_there(period, at):
            return False
        # Of a time in which nothing ran that is known, too.
        rows = [
            _row(each, period, self._instant(at), node) for node, each in (sums or {"": Rollup(bucket_at=at)}).items()
        ]
        OPEN.run(self._session, rows)
        return True

    def _is_there(self, period: Period, at: datetime) -> bool:
        sql = f"SELECT id FROM smart_cron_metrics WHERE {OF_ALL} = %s AND bucket_at = %s LIMIT 1"
        return self._session.row(sql, [period.value, self._instant(at)]) is not None

    def _drop_old(self, now: datetime) -> None:
        before = self._instant(hour_of(now) - HOURS_KEPT - DAY)
        sql = f"{OF_ALL} = '{Period.HOUR_TOTAL}' AND bucket_at < %s"
        if self._session.row(f"SELECT id FROM smart_cron_metrics WHERE {sql} LIMIT 1", [before]):
            self._session.again(lambda: self._session.execute(f"DELETE FROM smart_cron_metrics WHERE {sql}", [before]))


def _row(sums: Rollup, period: str, at: object, node: str) -> dict[str, object]:
    return {
        "period": str(period),
        "bucket_at": at,
        "task_id": ALL_TASKS,
        "task_name": "",
        "node": node,
        **values_of(sums),
    }


def _backwards(
    period: Period, last: datetime, first: datetime, there: Collection[tuple[Period, datetime]]
) -> Iterator[tuple[Period, datetime]]:
    at = last
    while at >= first:
        if (period, at) not in there:
            yield period, at
        at -= _LENGTHS[period]


def _gaps(covered: Sequence[Span], since: datetime, until: datetime) -> Iterator[Span]:
    at = since
    for begin, end in covered:
        if begin > at:
            yield at, begin
        at = max(at, end)
    if at < until:
        yield at, until
