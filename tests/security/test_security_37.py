"""SECURITY 37: what a task has when it starts: its user, three descriptors, all signals, a session, no terminal."""

from __future__ import annotations

import json
import os
import pwd
import textwrap

import pytest
from tests.process.conftest import Node, _test_leaves_nothing_running, make_node, node

__all__ = ["_test_leaves_nothing_running", "make_node", "node"]
PYTHON = "/usr/bin/python3"


def test_a_task_has_three_descriptors_its_own_session_and_no_terminal(node: Node) -> None:
    report = node.script(
        textwrap.dedent(f"""\
        #!{PYTHON}
        import json, os
        tty = int(open("/proc/self/stat").read().rpartition(")")[2].split()[4])
        fds = [f for f in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + f)]
        print(json.dumps({{"fds": sorted(fds), "sid": os.getsid(0) == os.getpid(), "tty": tty,
            "stdin": os.readlink("/proc/self/fd/0"), "cwd": os.getcwd()}}))
        """)
    )

    seen = json.loads(node.output(script=str(report)))

    assert seen == {"fds": ["0", "1", "2"], "sid": True, "tty": 0, "stdin": "/dev/null", "cwd": "/"}


@pytest.mark.parametrize("limits", [{"output_bytes": 1000}, {"output_bytes": 1000, "open_files": 99}])
def test_no_signal_is_blocked_or_ignored(node: Node, limits: dict[str, int]) -> None:
    status = node.printed("grep -E '^Sig(Blk|Ign)' /proc/self/status", limits=limits)
    # glibc keeps 32 and 33 to itself, and its posix_spawn ignores them for every program.
    of_glibc = 1 << 31 | 1 << 32

    assert [int(line.split()[1], 16) & ~of_glibc for line in status.splitlines()] == [0, 0]


def test_a_task_of_another_user_has_that_identity_and_no_other(node: Node) -> None:
    end = node.shell("grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapInh|CapAmb)' /proc/self/status", run_as="nobody")
    if os.geteuid() != 0:
        assert end["cause"] == "start_failed"
        assert "only root" in end["reason"]
        return
    nobody = pwd.getpwnam("nobody")
    status = dict(
        line.split(":")
        for line in node.printed(
            "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapInh|CapAmb)' /proc/self/status",
            run_as="nobody",
        ).splitlines()
    )

    assert status["Uid"].split() == [str(nobody.pw_uid)] * 4
    assert status["Gid"].split() == [str(nobody.pw_gid)] * 4
    assert status["Groups"].split() == [str(nobody.pw_gid)]
    assert {status[name].strip() for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {"0" * 16}


def test_a_task_gets_nothing_of_what_its_starter_had_open_and_set(node: Node) -> None:
    """A descriptor, a variable and a working directory of this process, which asks for the run."""
    os.environ["CANARY_OF_THE_STARTER"] = "7f3a"
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        printed = node.printed("env; ls -l /proc/self/fd; pwd")
    finally:
        del os.environ["CANARY_OF_THE_STARTER"]
        os.close(read)
        os.close(write)

    assert "7f3a" not in printed
    assert os.getcwd() not in printed.splitlines()
