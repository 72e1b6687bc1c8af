"""Runs in cgroups of their own, on this kernel's own hierarchy: entering, killing, naming, cleaning up.

Where the hierarchy hands out no controllers, as on machines that give them to version 1, limits are not tried here:
`tests/unit/taskrunner/test_cgroup.py` holds what is decided about them.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.fault.containment.conftest import Fighter
from tests.process.conftest import Node, is_alive, wait_until_gone
from tests.process.test_deaths import wait_until_unlocked

from smart_cron.services.diagnosis.containment import look_at_runner
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.cgroup import LEAF

pytestmark = pytest.mark.slow


def runs_in(home: Path) -> list[str]:
    return [path.name for path in home.iterdir() if path.name.startswith("run-")]


def test_a_run_is_in_a_cgroup_of_its_own_and_its_supervisor_is_not(contained: Node, delegated: Path) -> None:
    fighter = Fighter(contained)
    order = fighter.launch("tell(); daemon(lambda: (tell(), for_ever())); for_ever()")
    started = contained.event("started", order["run_id"])
    pids = fighter.wait_for(2)

    group = delegated / f"run-{order['run_id']}"
    assert started["cgroup"] == str(group)
    assert set(map(int, (group / "cgroup.procs").read_text().split())) == set(pids)
    leaf = (delegated / LEAF / "cgroup.procs").read_text().split()
    assert {str(started["supervisor_pid"]), str(contained.runner_pid)} <= set(leaf)
    contained.client.cancel(order["run_id"])
    assert contained.event("finished", order["run_id"])["cause"] == "killed"
    fighter.assert_gone(order["run_id"])


def test_the_cgroup_goes_with_its_run(contained: Node, delegated: Path) -> None:
    for code in (0, 3):
        assert contained.shell(f"mkdir -p {delegated}/run-$SMART_CRON_RUN_ID/inner; exit {code}")["exit_code"] == code
    # The next order waits for the supervisor that removes it, or for another one.
    contained.shell("true")

    assert len(runs_in(delegated)) <= 1
    contained.client.close()
    os.kill(contained.runner_pid, signal.SIGTERM)
    assert contained.foreground is not None
    contained.foreground.wait(20)
    assert runs_in(delegated) == []


def test_a_fork_bomb_is_killed_at_one_word(contained: Node) -> None:
    from tests.fault.containment.test_containment import BOMB, SHORT, assert_timed_out

    assert_timed_out(Fighter(contained).fight(BOMB, **SHORT))


def test_what_lost_supervisor_runner_session_and_environment_is_still_its_runs(
    contained: Node, delegated: Path
) -> None:
    """Without a cgroup nothing would lead to it."""
    fighter = Fighter(contained)
    order = fighter.launch(
        "deaf()\ndef hide():\n    tell()\n    os.execve('/bin/sleep', ['sleep', '300'], {})\ndaemon(hide); for_ever()"
    )
    started = contained.event("started", order["run_id"])
    (stray,) = fighter.wait_for(1)
    os.kill(contained.runner_pid, signal.SIGKILL)
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    wait_until_gone(started["supervisor_pid"])
    wait_until_unlocked(contained, order["run_id"])

    end = runfile.settle(contained.runs, order["run_id"], 7)

    assert end is not None
    assert (end["cause"], end["unkillable"]) == ("lost", [])
    assert f"{stray}:" in " ".join(end["leftovers"])
    assert not is_alive(stray)
    assert runs_in(delegated) == []


def test_a_killed_supervisors_run_leaves_no_cgroup(contained: Node, delegated: Path) -> None:
    order = contained.launch(shell_command="sleep 300")
    os.kill(contained.event("started", order["run_id"])["supervisor_pid"], signal.SIGKILL)

    assert contained.event("finished", order["run_id"])["cause"] == "lost"
    assert f"run-{order['run_id']}" not in runs_in(delegated)


def test_what_a_task_may_keep_keeps_its_cgroup(contained: Node, delegated: Path) -> None:
    fighter = Fighter(contained)
    order = fighter.launch("daemon(lambda: (tell(), for_ever())); told(1)", keep_processes=True)
    (kept,) = fighter.wait_for(1)

    assert contained.event("finished", order["run_id"])["exit_code"] == 0
    assert is_alive(kept)
    assert (delegated / f"run-{order['run_id']}" / "cgroup.procs").read_text().split() == [str(kept)]
    os.kill(kept, signal.SIGKILL)
    wait_until_gone(kept)


def test_another_user_starts_in_the_cgroup_as_well(contained: Node, delegated: Path) -> None:
    printed = contained.printed("id -un; cat /proc/self/cgroup", run_as="nobody")

    assert printed.startswith("nobody\n")
    assert f"0::/{delegated.name}/run-" in printed


def test_doctor_sees_from_outside_what_the_task_runner_has(contained: Node, node: Node) -> None:
    inside, outside = look_at_runner(contained.runner_pid), look_at_runner(node.runner_pid)

    assert (inside.has_runner, inside.has_cgroups) == (True, True)
    assert not outside.has_cgroups
    assert outside.why_not is not None
