"""Steps are taken one after the other, and none keeps another from its work."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.engine.scripted import RecordingLog

from smart_cron.core.errors import DatabaseConflictError
from smart_cron.services.cleanup import Cleaner, Report, Step
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.report import Done


def well(tell: Tell) -> Done:
    tell(5)
    return Done(count=5, freed_bytes=9, longest_lock=timedelta(milliseconds=2.5))


def locked(tell: Tell) -> Done:
    tell(3)
    raise DatabaseConflictError("the database refused: a table is locked.")


def full(tell: Tell) -> Done:
    del tell
    raise OSError(28, "No space left on device", "/var/log/x")


def cleaned(*acts: Step, dry_run: bool = False) -> tuple[Report, RecordingLog, list[tuple[str, int]]]:
    log, told = RecordingLog(), list[tuple[str, int]]()
    report = Cleaner(steps=acts, log=log, dry_run=dry_run).clean(lambda name, count: told.append((name, count)))
    return report, log, told


def step(name: str) -> Step:
    return Step(name=name, act={"well": well, "locked": locked, "full": full}[name])


def test_a_step_that_fails_is_told_and_the_others_are_taken() -> None:
    report, log, told = cleaned(step("locked"), step("full"), step("well"))

    assert not report.is_whole
    assert report.counts == {"locked": 3, "well": 5}
    assert [each.done.faults for each in report.steps] == [
        ("the database refused: a table is locked.",),
        ("/var/log/x: No space left on device.",),
        (),
    ]
    assert told == [("locked", 0), ("locked", 3), ("full", 0), ("well", 0), ("well", 5)]
    failed = [fields["step"] for level, event, fields in log.events if event == "Clean-up step failed"]
    assert failed == ["locked", "full"]


def test_what_was_done_is_logged_in_words_and_figures() -> None:
    report, log, _ = cleaned(step("well"))

    assert report.is_whole
    events = [(level, event) for level, event, _ in log.events]
    assert [event for _, event in events] == ["Well deleted", "Clean-up completed"]
    fields = log.events[0][2]
    assert {name: fields[name] for name in ("count", "bytes", "longest_lock_ms")} == {
        "count": 5,
        "bytes": 9,
        "longest_lock_ms": 2.5,
    }


def test_a_dry_run_writes_no_log() -> None:
    assert cleaned(step("well"), step("full"), dry_run=True)[1].events == []


def test_what_nobody_foresaw_is_no_step_that_failed() -> None:
    def broken(_: Tell) -> Done:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cleaned(Step(name="broken", act=broken))
