"""The way by a fork, which is taken where a supervisor could not get rid of what it would take on."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence

import psutil
import pytest

from smart_cron.taskrunner.borrowed import can_borrow
from smart_cron.taskrunner.plan import Account, SpawnPlan, StartFailedError
from smart_cron.taskrunner.spawn import spawn, spawn_forked

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def plan_of(argv: Sequence[str], **options: object) -> SpawnPlan:
    return SpawnPlan(list(argv), ENVIRONMENT, **{"directory": "/", "umask": 0o022, **options})  # type: ignore[arg-type]


def printed_by(plan: SpawnPlan, *, forked: bool) -> list[str]:
    reader, writer = os.pipe()
    plan.stdout = plan.stderr = writer
    plan.in_place = not forked
    try:
        pid = spawn_forked(plan) if forked else spawn(plan)
    except StartFailedError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    with open(reader, encoding="ascii") as file:
        words = file.read().split()
    assert os.waitpid(pid, 0)[1] == 0
    return words


@pytest.mark.parametrize("forked", [True, False])
def test_limits_are_the_same_by_either_way(*, forked: bool) -> None:
    # Tests have more files open than a supervisor ever has.
    files = 70 + max(int(number) for number in os.listdir("/proc/self/fd"))
    limits = [(resource.RLIMIT_NOFILE, (files, files)), (resource.RLIMIT_CPU, (50, 55))]
    command = "sleep 0.1; ulimit -Sn; ulimit -Hn; ulimit -St; ulimit -Ht"

    printed = printed_by(plan_of(["/bin/sh", "-c", command], limits=limits), forked=forked)

    assert printed == [str(files), str(files), "50", "55"]


def test_a_fork_makes_a_task_nice() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)

    assert printed_by(plan_of(["/usr/bin/nice"], nice=own + 2), forked=True) == [str(own + 2)]


@pytest.mark.parametrize("forked", [True, False])
def test_the_identity_is_the_same_by_either_way(*, forked: bool) -> None:
    plan = plan_of(["/bin/grep", "-hE", "^(Uid|Gid|Groups|CapPrm|CapEff)", "/proc/self/status"])
    plan.account = Account("nobody")
    if os.geteuid() != 0:
        with pytest.raises(StartFailedError, match="could not become its user 'nobody'"):
            printed_by(plan, forked=forked)
        return

    words = printed_by(plan, forked=forked)

    uid, gid, none = str(plan.account.uid), str(plan.account.gid), "0" * 16
    assert words == ["Uid:", *[uid] * 4, "Gid:", *[gid] * 4, "Groups:", gid, "CapPrm:", none, "CapEff:", none]


def test_a_user_that_may_not_be_taken_on_is_a_failed_start_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_groups: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    own = os.getresuid(), os.getresgid(), os.getgroups(), os.getcwd()
    monkeypatch.setattr(os, "setgroups", refuse)
    plan = plan_of(["/bin/true"])
    plan.account = Account("nobody")

    with pytest.raises(StartFailedError, match="could not become its user 'nobody'"):
        printed_by(plan, forked=False)
    assert (os.getresuid(), os.getresgid(), os.getgroups(), os.getcwd()) == own


def test_a_task_that_does_not_take_its_limits_is_ended_and_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _kind: int, _wanted: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(resource, "prlimit", refuse)
    plan = plan_of(["/bin/sleep", "60"], limits=[(resource.RLIMIT_CPU, (50, 55))])
    before = {child.pid for child in psutil.Process().children()}

    with pytest.raises(StartFailedError, match="could not set its limits: Operation not permitted"):
        printed_by(plan, forked=False)
    assert {child.pid for child in psutil.Process().children()} <= before


@pytest.mark.parametrize("option", [{"nice": 5}, {"account": object()}])
def test_a_user_and_a_priority_are_not_borrowed_where_they_cannot_be_given_back(option: dict[str, object]) -> None:
    plan = plan_of(["/bin/true"], **option)

    assert not can_borrow(plan, can_give_back=False)
    assert can_borrow(plan, can_give_back=True)


def test_a_limit_above_our_own_is_not_borrowed() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    assert can_borrow(plan_of(["/bin/true"], limits=[(resource.RLIMIT_NOFILE, (hard, hard))]), can_give_back=False)
    assert not can_borrow(
        plan_of(["/bin/true"], limits=[(resource.RLIMIT_NOFILE, (hard + 1, hard + 1))]), can_give_back=False
    )
