"""The database is away: told from a file, across a restart, and entered once it serves again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.alerts.silent_log import SilentLog
from tests.conformance.scene import NOON

from smart_cron.core.alert import Alert
from smart_cron.core.delivery import Address
from smart_cron.core.errors import DatabaseUnavailableError
from smart_cron.core.message import DeliveryError, Message, MessageKind, RunFacts
from smart_cron.services.alerts.outage import PATIENCE, OutageWatch
from smart_cron.services.alerts.routing import CourierSettings, Wanted
from smart_cron.services.alerts.spool import Outage, Spool
from smart_cron.store.gateway import Store, open_store

REASON = "the database cannot be used: Connection refused."


@dataclass
class Ground:
    """A node whose database can be taken away, whose clock is moved by hand, and whose channels keep what they get."""

    folder: Path
    store: Store
    serves: bool = True
    clock_at: datetime = NOON
    takes: bool = True
    broken: str = ""
    sent: list[tuple[str, str, Message]] = field(default_factory=list)

    def watch(self) -> OutageWatch:
        """Return a watch as a fresh process has it."""
        return OutageWatch(
            spool=Spool(self.folder),
            database=self,  # type: ignore[arg-type]
            tellings=self.store.tellings,
            settings=CourierSettings(
                node="one", zone=ZoneInfo("UTC"), email="ops@example.com", channels=[Wanted(channel="chat")]
            ),
            compose=composed,
            open_channel=lambda name: _Channel(self, name),
            clock=_Clock(self),
            log=SilentLog(),
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._require()
        with self.store.database.transaction():
            yield

    def now(self) -> datetime:
        self._require()
        return self.clock_at

    def _require(self) -> None:
        if not self.serves:
            raise DatabaseUnavailableError(REASON)

    def after(self, span: timedelta) -> None:
        self.clock_at += span

    def letters(self) -> list[tuple[object, ...]]:
        return self.store.session.rows("SELECT kind, channel, target, status FROM smart_cron_deliveries ORDER BY id")

    @property
    def file(self) -> Path:
        return self.folder / "alerts" / "database.json"


@dataclass
class _Clock:
    """The machine's own, which goes on while the database is away."""

    ground: Ground

    def now(self) -> datetime:
        return self.ground.clock_at

    def boottime(self) -> float:
        return self.ground.clock_at.timestamp()


@dataclass
class _Channel:
    ground: Ground
    name: str

    def send(self, message: Message, *, target: str) -> str:
        if self.name == self.ground.broken:
            raise RuntimeError("a bug")
        if not self.ground.takes:
            raise DeliveryError("451 later", permanent=False)
        self.ground.sent.append((self.name, target, message))
        return "250 ok"

    def close(self) -> None: ...


def composed(kind: MessageKind, alerts: Sequence[Alert], _facts: RunFacts | None) -> Message:
    (alert,) = alerts
    return Message(kind=kind, severity=alert.severity, subject=alert.message, text=alert.message, html="")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    store = open_store(f"sqlite://{tmp_path / 'smart-cron.db'}", alias="outage")
    store.database.migrate()
    yield Ground(tmp_path, store)
    store.database.close()


def lost(ground: Ground) -> OutageWatch:
    ground.serves = False
    watch = ground.watch()
    watch.lost(REASON, since=ground.clock_at)
    return watch


def test_a_short_outage_is_told_to_nobody(ground: Ground) -> None:
    watch = lost(ground)

    assert watch.look()
    ground.serves = True
    watch.back()

    assert not watch.look()
    assert (ground.sent, ground.letters(), ground.file.exists()) == ([], [], False)


def test_an_outage_that_lasts_is_told_once_to_everybody(ground: Ground) -> None:
    watch = lost(ground)
    for _ in range(5):
        ground.after(PATIENCE)
        assert watch.look()

    assert [(name, target) for name, target, _ in ground.sent] == [("email", "ops@example.com"), ("chat", "")]
    assert REASON in ground.sent[0][2].text


def test_whoever_did_not_take_it_is_asked_again_later(ground: Ground) -> None:
    watch = lost(ground)
    ground.takes = False
    ground.after(PATIENCE)
    watch.look()

    ground.takes = True
    watch.look()
    assert ground.sent == []
    ground.after(timedelta(seconds=30))
    watch.look()
    assert len(ground.sent) == 2


def test_a_channel_that_breaks_keeps_nobody_else_from_hearing_of_it(ground: Ground) -> None:
    watch = lost(ground)
    ground.broken = "email"
    ground.after(PATIENCE)

    assert watch.look()
    assert [name for name, _, _ in ground.sent] == ["chat"]


def test_a_restart_tells_nobody_twice_and_everybody_of_the_end(ground: Ground) -> None:
    watch = lost(ground)
    ground.after(PATIENCE)
    watch.look()

    next_watch = ground.watch()
    assert next_watch.look()
    assert len(ground.sent) == 2
    ground.serves = True

    assert not next_watch.look()
    assert ground.letters() == [
        ("recovery", "email", "ops@example.com", "pending"),
        ("recovery", "chat", None, "pending"),
    ]
    assert not ground.file.exists()


def test_what_was_told_is_entered_as_an_alert_that_is_over(ground: Ground) -> None:
    watch = lost(ground)
    ground.after(PATIENCE)
    watch.look()
    ground.serves = True
    watch.back()
    watch.look()

    (alert,) = ground.store.outbox.alerts([1])
    assert (alert.cause.subtype, alert.cause.node, alert.resolved, alert.created_at) == ("database", "one", True, NOON)


def test_a_database_that_answers_but_takes_nothing_is_lost_until_the_engine_says_otherwise(ground: Ground) -> None:
    watch = lost(ground)
    ground.serves = True

    assert watch.look()
    watch.back()
    assert not watch.look()


def test_the_file_is_closed_to_others_and_a_torn_one_counts_as_none(ground: Ground) -> None:
    spool = Spool(ground.folder)
    outage = Outage(
        since=NOON, reason=REASON, told=(Address("email", "ops@example.com"), Address("chat")), told_at=NOON
    )
    spool.keep(outage)

    assert spool.outage() == outage
    assert stat.S_IMODE(os.stat(ground.file).st_mode) == 0o640
    ground.file.write_text('{"since": "2026-')
    assert spool.outage() is None
