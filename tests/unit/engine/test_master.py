"""The master's loop: when it looks, what it says of a lost database or task runner, and that it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.engine.scripted import NOON, Bench
from tests.unit.engine.conftest import MakeBench

from smart_cron.core.errors import ConfigError, DatabaseConflictError, DatabaseUnavailableError, TaskRunnerError
from smart_cron.core.task import OnMissed, OnOverlap
from smart_cron.engine.master import Master

TURNS = 2000


def begun(bench: Bench) -> Master:
    master = bench.master()
    master._begin()
    return master


def turn_until(bench: Bench, master: Master, condition: Callable[[], object]) -> float:
    """Make turns until it is true and return how many seconds of the bench that took."""
    before = bench.clock.boottime()
    for _ in range(TURNS):
        if condition():
            return bench.clock.boottime() - before
        master.turn()
    raise AssertionError("it never became true")


def turn_for(bench: Bench, master: Master, seconds: float) -> None:
    until = bench.clock.boottime() + seconds
    turn_until(bench, master, lambda: bench.clock.boottime() >= until)


def test_a_slot_starts_when_it_comes_due_and_no_later(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)

    turn_until(bench, master, lambda: bench.launcher.launched)

    [claim] = bench.launcher.launched
    assert claim.claimed_at == NOON + timedelta(minutes=1)


def test_a_manual_run_is_noticed_within_a_second(bench: Bench) -> None:
    task = bench.add("report", schedule="0 0 1 1 *")
    master = begun(bench)
    turn_for(bench, master, 10)

    bench.ask(task)

    assert turn_until(bench, master, lambda: bench.launcher.launched) <= 1.1


def test_an_edit_by_sql_is_honoured_within_five_seconds(bench: Bench) -> None:
    bench.add("report", schedule="0 0 1 1 *")
    master = begun(bench)
    turn_for(bench, master, 10)

    bench.sql("UPDATE smart_cron_tasks_config SET schedule_pattern = '30 4 * * *'")

    def is_seen() -> bool:
        at = bench.task().next_run_at
        return at is not None and (at.hour, at.minute) == (4, 30)

    took = turn_until(bench, master, is_seen)
    assert took <= 5


def test_tables_are_looked_through_where_somebody_wrote_and_not_while_nothing_happens(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add("report", schedule="0 0 1 1 *")
    master = begun(bench)
    turn_for(bench, master, 10)
    news, looks = [False], []
    monkeypatch.setattr(bench.database, "written_elsewhere", lambda: news.pop() if len(news) > 1 else news[0])
    heal = master._cycle.heal
    monkeypatch.setattr(master._cycle, "heal", lambda: (looks.append(bench.clock.boottime()), heal()))
    turn_for(bench, master, 60)
    assert len(looks) <= 1, "only for what was written before"
    looks.clear()

    bench.sql("UPDATE smart_cron_tasks_config SET is_running = 1")
    news.append(True)

    assert turn_until(bench, master, lambda: not bench.task().is_running) <= 6.1
    turn_for(bench, master, 60)
    assert len(looks) == 1


def test_a_lost_database_is_told_once_an_outage_and_its_return_too(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    turn_for(bench, master, 2)

    bench.database.troubles = ["gone"] * 8
    turn_for(bench, master, 60)

    assert bench.log.levels("Failed to connect to database") == ["critical"]
    assert bench.log.count("Database is back") == 1
    bench.database.troubles = ["gone"]
    turn_for(bench, master, 10)
    assert bench.log.count("Failed to connect to database") == 2


def test_runs_go_on_while_the_database_is_gone_and_are_recorded_after(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    turn_until(bench, master, lambda: bench.launcher.launched)
    bench.database.troubles = ["gone"] * 5
    bench.launcher.end_all()

    turn_until(bench, master, lambda: "success" in bench.statuses())

    assert bench.task().total_executions == 1


def test_a_lost_task_runner_is_started_again_and_the_claim_with_it(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    bench.launcher.fail("launch")

    turn_until(bench, master, lambda: bench.launcher.launched)

    assert bench.log.levels("Task runner was lost") == ["error"]
    turn_for(bench, master, 5)
    assert len(bench.launcher.launched) == 1


def test_a_task_runner_that_cannot_be_started_is_said_and_tried_ever_more_patiently(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    bench.launcher.fail("launch")
    bench.launcher.fail("ensure", times=4)
    bench.launcher.fail("running", times=4)

    turn_until(bench, master, lambda: bench.launcher.launched)

    assert "critical" in bench.log.levels("Task runner cannot be started")


def test_a_master_does_not_begin_without_a_task_runner(bench: Bench) -> None:
    bench.launcher.fail("ensure")

    with pytest.raises(TaskRunnerError):
        bench.master().once()


def test_one_pass_sees_runs_to_their_end_and_says_so_in_one_line(bench: Bench) -> None:
    bench.add("report")
    bench.turn()
    bench.clock.advance(60)
    bench.launcher.launch = ends_at_once(bench)  # type: ignore[method-assign]

    report = bench.master().once()

    assert (report.planned, report.started, report.finished, report.failed) == (1, 1, 1, 0)
    assert bench.log.count("Pass completed") == 1


def test_one_pass_with_nothing_due_ends_at_once_with_one_line(bench: Bench) -> None:
    before = bench.clock.boottime()

    report = bench.master().once()

    assert report.planned == 0
    assert bench.clock.boottime() - before < 1
    assert [event for _, event, _ in bench.log.events] == ["Pass completed"]


def test_one_pass_ends_in_time_and_leaves_what_runs(make_bench: MakeBench) -> None:
    bench = make_bench(max_execution_time=timedelta(seconds=55))
    bench.add("report")
    bench.turn()
    bench.clock.advance(60)
    before = bench.clock.boottime()

    bench.master().once()

    assert 55 <= bench.clock.boottime() - before < 58
    assert "running" in bench.statuses()


def test_seeing_one_run_through_leaves_others_alone(bench: Bench) -> None:
    mine, other = bench.add("mine"), bench.add("other")
    number = bench.ask(mine)
    bench.ask(other)
    bench.launcher.launch = ends_at_once(bench)  # type: ignore[method-assign]
    turns = []

    bench.master().run_one(number, on_turn=lambda: turns.append(1))

    assert bench.statuses() == ["success", "waiting"]
    assert turns
    assert bench.rows("SELECT COUNT(*) FROM smart_cron_tasks_config WHERE planned_pattern IS NOT NULL") == [(0,)]


def test_sigterm_ends_the_loop_and_records_what_is_known(bench: Bench) -> None:
    bench.add("report")
    master = bench.master()
    bench.launcher.launch = ends_at_once(bench, then=lambda: os.kill(os.getpid(), signal.SIGTERM))  # type: ignore[method-assign]

    master.run()

    assert bench.statuses() == ["success"]
    assert bench.log.count("Master stopped") == 1


def test_a_master_that_is_to_end_starts_no_task_runner_for_one_that_ended_with_the_same_signal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pkill -f smart-cron` means all of ours: a runner that was started after it would stay, idle, for minutes."""
    started: list[str] = []

    def both_are_told(*, timeout: float) -> None:
        monkeypatch.setattr(bench.launcher, "poll", gone)
        monkeypatch.setattr(bench.launcher, "ensure", lambda: started.append("by itself"))
        monkeypatch.setattr(bench.launcher, "running", lambda: started.append("by a question"))
        os.kill(os.getpid(), signal.SIGTERM)
        gone()

    def gone(**_: object) -> None:
        raise TaskRunnerError("the task runner went away")

    monkeypatch.setattr(bench.launcher, "poll", both_are_told)

    bench.master().run()

    assert started == []
    assert bench.log.count("Master stopped") == 1


def test_sighup_rereads_settings_between_two_turns(bench: Bench) -> None:
    tasks = [bench.add(name, schedule="0 0 1 1 *") for name in "abc"]
    master = begun(bench)
    bench.reread = lambda: replace(bench.settings, max_concurrent=2)
    master._on_signal(signal.SIGHUP, None)
    master.turn()
    for task in tasks:
        bench.ask(task)

    turn_for(bench, master, 3)

    assert len(bench.launcher.launched) == 2
    assert bench.log.count("Settings were reread") == 1


def test_faulty_settings_are_said_and_the_old_ones_stay(bench: Bench) -> None:
    def refuse() -> None:
        raise ConfigError(["max_concurrent must be 1-10000, got 0"])

    bench.add("report")
    master = begun(bench)
    bench.reread = refuse
    master._on_signal(signal.SIGHUP, None)

    turn_until(bench, master, lambda: bench.launcher.launched)

    assert bench.log.levels("Settings were not reread") == ["error"]


def test_another_default_zone_moves_the_slots_of_tasks_without_one(bench: Bench) -> None:
    bench.add("report", schedule="0 6 * * *", time_zone=None)
    master = begun(bench)
    turn_for(bench, master, 2)
    bench.reread = lambda: replace(bench.settings, default_zone="Asia/Tokyo")

    master._on_signal(signal.SIGHUP, None)
    turn_for(bench, master, 5)

    at = bench.task().next_run_at
    assert at is not None
    assert at.hour == 21


def test_a_wall_clock_set_back_withdraws_what_was_planned_of_the_future(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    turn_for(bench, master, 2)
    bench.clock.step(86_400)
    turn_until(bench, master, lambda: bench.launcher.launched)
    bench.launcher.end_all()
    turn_for(bench, master, 2)

    bench.clock.step(-86_400)
    took = turn_until(bench, master, lambda: len(bench.launcher.launched) == 2)

    assert took <= 61
    assert bench.launcher.launched[1].claimed_at < NOON + timedelta(minutes=5)
    assert bench.log.count("The clock was set back") == 1


def test_a_clock_set_back_while_no_master_ran_is_noticed_at_the_start(bench: Bench) -> None:
    bench.add("report")
    bench.clock.step(86_400)
    turn_for(bench, begun(bench), 2)
    bench.clock.step(-86_400)

    took = turn_until(bench, begun(bench), lambda: bench.launcher.launched)

    assert took <= 60


def test_a_slot_that_ran_does_not_run_again_when_the_clock_is_set_back(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    turn_until(bench, master, lambda: bench.launcher.launched)
    bench.launcher.end_all()
    turn_for(bench, master, 2)

    bench.clock.step(-30)
    turn_for(bench, master, 40)

    assert len(bench.launcher.launched) == 1
    assert bench.rows("SELECT COUNT(*) FROM smart_cron_skipped_slots") == [(0,)]


@pytest.mark.parametrize("policy", list(OnOverlap))
def test_a_slot_whose_run_still_goes_on_is_neither_skipped_nor_replaced_when_it_comes_again(
    bench: Bench, policy: OnOverlap
) -> None:
    bench.add("report", on_overlap=policy, schedule="*/30 * * * *")
    master = begun(bench)
    turn_until(bench, master, lambda: bench.launcher.launched)
    turn_for(bench, master, 2)

    bench.clock.step(-30)
    turn_for(bench, master, 60)

    assert bench.statuses() == ["running"]
    assert bench.gaps() == []
    assert bench.launcher.cancelled == []


def test_a_retry_made_by_a_clock_that_ran_ahead_waits_its_delay_and_no_longer(bench: Bench) -> None:
    task = bench.add("report", schedule="0 0 1 1 *", max_retries=1, retry_delay=timedelta(seconds=60))
    bench.clock.step(86_400)
    master = begun(bench)
    bench.ask(task)
    turn_until(bench, master, lambda: bench.launcher.launched)
    bench.launcher.end_all(exit_code=1)
    turn_until(bench, master, lambda: "delayed" in bench.statuses())

    bench.clock.step(-86_400)

    assert 58 <= turn_until(bench, master, lambda: len(bench.launcher.launched) == 2) <= 62


def test_a_range_that_reaches_into_the_future_again_is_cut_where_the_clock_stands(bench: Bench) -> None:
    """A clock that ran an hour ahead had slots missed: those that are still to come run, the others stay missed."""
    bench.add("report", on_missed=OnMissed.SKIP)
    master = begun(bench)
    turn_for(bench, master, 2)
    bench.clock.step(3600 + 90)
    turn_until(bench, master, bench.gaps)
    assert bench.gaps() == [("missed", 60)]
    bench.launcher.end_all()

    bench.clock.step(-1830)
    turn_for(bench, master, 90)

    [gap] = bench.store.history.not_run(task_id=bench.task().id)
    stood_at = NOON + timedelta(seconds=3600 + 92 - 1830)
    assert (gap.first, gap.count) == (NOON + timedelta(minutes=1), 31)
    assert gap.last == NOON + timedelta(minutes=31) <= stood_at
    assert [claim.scheduled_for for claim in bench.launcher.launched[1:]] == [NOON + timedelta(minutes=32)]


def test_small_corrections_of_the_clock_are_no_step(bench: Bench) -> None:
    bench.add("report")
    master = begun(bench)
    for _ in range(5):
        turn_for(bench, master, 2)
        bench.clock.step(-0.4)

    assert bench.log.count("The clock was set back") == 0


def ends_at_once(bench: Bench, then: Callable[[], None] = lambda: None) -> Callable[..., None]:
    launch = bench.launcher.launch

    def launch_and_end(claims: list[object]) -> None:
        launch(claims)  # type: ignore[arg-type]
        bench.launcher.end_all()
        then()

    return launch_and_end


class LeftError(Exception):
    """Leaves the loop of a master under test."""


def run_for(master: Master, turns: int) -> None:
    """Run the master's own loop, and leave it after so many turns."""
    left = iter(range(turns))

    def turn() -> None:
        if next(left, None) is None:
            raise LeftError
        Master.turn(master)

    master.turn = turn  # type: ignore[method-assign]
    with pytest.raises(LeftError):
        master.run()


def test_a_master_waits_for_a_database_that_is_away_when_it_starts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([DatabaseUnavailableError("it went away.")] * 3)
    real = bench.store.database.check

    def check() -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        real()

    monkeypatch.setattr(bench.database, "check", check, raising=False)
    master = bench.master()
    monkeypatch.setattr(master, "_pause", bench.clock.advance)

    run_for(master, turns=50)

    assert bench.log.count("Failed to connect to database") == 1
    assert bench.log.count("Master started") == 1
    assert bench.log.count("Database is back") == 1


def test_a_master_that_finds_the_database_locked_when_it_starts_tries_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([DatabaseConflictError("somebody keeps writing to it.")] * 3)
    real = bench.store.database.check

    def check() -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        real()

    monkeypatch.setattr(bench.database, "check", check, raising=False)
    master = bench.master()
    monkeypatch.setattr(master, "_pause", bench.clock.advance)

    run_for(master, turns=50)

    assert bench.log.count("Database is busy, the start is tried again") == 1
    assert bench.log.count("Failed to connect to database") == 0
    assert bench.log.count("Master started") == 1


def test_a_master_waits_for_a_task_runner_that_cannot_be_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.launcher.fail("ensure", times=3)
    master = bench.master()
    monkeypatch.setattr(master, "_pause", bench.clock.advance)

    run_for(master, turns=5)

    assert bench.log.count("Task runner cannot be started") == 1
    assert bench.log.count("Master started") == 1


def test_in_a_restored_database_a_master_waits_and_says_so_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.membership().enter()
    bench.sql("INSERT INTO smart_cron_executions (task_id, task_name, status) VALUES (1, 'x', 'success')")
    bench.memory.write(50)
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            bench.sql("UPDATE smart_cron_nodes SET heartbeats = 50")

    master = bench.master()
    monkeypatch.setattr(master, "_pause", pause)

    run_for(master, turns=5)

    assert len(pauses) == 3
    assert bench.log.count("Database was restored or exchanged, starts are held") == 1
    assert bench.log.count("Master started") == 1


def test_a_database_that_is_exchanged_while_the_master_works_stops_every_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.add()
    master = bench.master()
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise LeftError

    monkeypatch.setattr(master, "_pause", pause)
    turns = iter(range(1000))

    def turn() -> None:
        if next(turns) == 3:
            bench.sql("INSERT INTO smart_cron_executions (task_id, task_name, status) VALUES (1, 'x', 'success')")
            bench.memory.write(5000)
        Master.turn(master)

    master.turn = turn  # type: ignore[method-assign]
    with pytest.raises(LeftError):
        master.run()

    assert bench.launcher.launched == []
    assert [hold.kind for hold in bench.store.holds.holds()] == ["restored"]
