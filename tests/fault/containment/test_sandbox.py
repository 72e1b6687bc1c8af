"""`sandbox: strict` in the real bubblewrap."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from tests.fault.containment.conftest import Fighter
from tests.process.conftest import Node, is_alive

from smart_cron.taskrunner import sandbox

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
STRICT: dict[str, Any] = {"sandbox": "strict", "environment": {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}}


@pytest.fixture
def folder(node: Node) -> Path:
    """A working directory of the task's own."""
    path = node.base / "work"
    path.mkdir()
    return path


@needs_bubblewrap
def test_output_input_and_exit_code_pass_through(node: Node) -> None:
    end = node.shell("read x; echo got $x; echo aside >&2; exit 9", stdin="this", **STRICT)

    assert (end["cause"], end["exit_code"], end["term_signal"]) == ("exited", 9, None)
    assert end["output_sha256"] == hashlib.sha256(b"got this\n").hexdigest()
    assert end["stderr_bytes"] == len("aside\n")


@needs_bubblewrap
def test_the_system_is_read_only_and_tmp_is_private(node: Node, folder: Path) -> None:
    probe = (
        "for place in /usr /etc /var/lib /opt; do touch $place/smart-cron 2>/dev/null && echo $place; done;"
        "ls -A /tmp | grep -v pytest; touch /tmp/mine /var/tmp/mine && echo private; touch here && echo here"
    )
    printed = node.printed(probe, working_directory=str(folder), **STRICT)

    assert printed.split() == ["private", "here"]
    assert (folder / "here").exists()
    assert not Path("/tmp/mine").exists()
    assert not Path("/usr/smart-cron").exists()


@needs_bubblewrap
def test_a_working_directory_in_the_system_stays_read_only(node: Node) -> None:
    printed = node.printed("pwd; touch smart-cron 2>/dev/null || echo refused", working_directory="/etc", **STRICT)

    assert printed.split() == ["/etc", "refused"]


@needs_bubblewrap
def test_it_sees_no_process_but_its_own_and_no_devices(node: Node) -> None:
    printed = node.printed("ls -d /proc/[0-9]* | wc -l; ls /dev | grep -cE 'sd|vd|mem|kmsg|nvme'", **STRICT)
    processes, devices = map(int, printed.split())

    assert processes <= 4
    assert devices == 0


@needs_bubblewrap
def test_it_has_no_privileges_and_gains_none(node: Node) -> None:
    printed = node.printed("grep -E '^(NoNewPrivs|CapEff|CapPrm)' /proc/self/status", **STRICT)

    assert dict(line.split(":\t") for line in printed.splitlines()) == {
        "CapPrm": "0" * 16,
        "CapEff": "0" * 16,
        "NoNewPrivs": "1",
    }


@needs_bubblewrap
@pytest.mark.parametrize(("network", "others"), [(True, True), (False, False)])
def test_the_network_is_the_machines_or_none(node: Node, network: bool, others: bool) -> None:
    ours = Path("/proc/net/dev").read_text(encoding="ascii").count(":")
    printed = node.printed("grep -c : /proc/net/dev", sandbox_network=network, **STRICT)

    assert int(printed) == (ours if others else 1)


@needs_bubblewrap
def test_another_user_stays_that_user(node: Node) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}

    assert node.printed("id -un", run_as="nobody", sandbox="strict", environment=environment).strip() == "nobody"


@needs_bubblewrap
def test_a_script_in_a_private_place_is_seen_alone(node: Node) -> None:
    script = node.script("#!/bin/sh\nls ${0%/*}; exit 6\n", name="inside")
    node.script("#!/bin/sh\n", name="beside")
    order = node.launch(script=str(script), **STRICT)
    end = node.event("finished", order["run_id"])

    assert end["exit_code"] == 6
    assert end["output_sha256"] == hashlib.sha256(b"inside\n").hexdigest()


@needs_bubblewrap
@pytest.mark.slow
def test_a_task_has_its_grace_in_there_too(node: Node) -> None:
    body = 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    end = node.shell(body, timeout_seconds=1, kill_grace_seconds=10, **STRICT)

    assert (end["cause"], end["exit_code"]) == ("timeout", 5)
    assert end["stdout_bytes"] == len("ready\nbye\n")


@needs_bubblewrap
@pytest.mark.slow
def test_the_whole_tree_is_killed_with_its_sandbox(node: Node, folder: Path) -> None:
    """The pids that a task tells of itself are others outside: it is found by its environment, and by what it was."""
    body = "deaf(); daemon(lambda: (os.execve('/bin/sleep', ['sleep', '86399'], {}))); tell(); for_ever()"
    fighter = Fighter(node)
    fighter.told = folder / "pids"
    fighter.told.touch()
    order = fighter.launch(body, timeout_seconds=1.5, kill_grace_seconds=0.3, working_directory=str(folder), **STRICT)
    end = node.event("finished", order["run_id"])

    assert (end["cause"], end["term_signal"], end["unkillable"]) == ("timeout", signal.SIGKILL, [])
    assert fighter.pids() != []
    assert [pid for pid in os.listdir("/proc") if pid.isdigit() and _words(pid) == [b"sleep", b"86399"]] == []


@needs_bubblewrap
@pytest.mark.slow
def test_a_killed_supervisor_takes_the_sandbox_with_it(node: Node) -> None:
    order = node.launch(shell_command="sleep 300", **STRICT)
    started = node.event("started", order["run_id"])
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    end = node.event("finished", order["run_id"])

    assert end["cause"] == "lost"
    assert not is_alive(started["pid"])


def test_without_bubblewrap_it_does_not_start_and_says_how_to_mend_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "SEARCH_PATH", "/nowhere")

    with pytest.raises(sandbox.StartFailedError, match="apt install bubblewrap"):
        sandbox.sandboxed(["/bin/true"], directory="/", network=True)


def test_the_network_goes_only_when_asked_to() -> None:
    assert "--unshare-net" not in sandbox.options(directory="/", network=True, script=None)
    assert "--unshare-net" in sandbox.options(directory="/", network=False, script=None)


@pytest.mark.parametrize("place", ["/", "/tmp", "/etc", "/usr/local", "/proc", "/nonexistent"])
def test_what_would_open_the_system_is_never_written_in(place: str) -> None:
    assert not sandbox.may_be_written(place)


def test_a_link_into_the_system_is_seen_through(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/etc")

    assert not sandbox.may_be_written(str(link))
    assert sandbox.may_be_written(str(tmp_path))


def _words(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []
