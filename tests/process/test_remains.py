"""What is left of a run whose supervisor and task runner are gone, found by its marks among real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.scripted import RecordingLog
from tests.process.conftest import Signpost, is_alive, nothing_left_running

from smart_cron.core.run import EndCause
from smart_cron.engine.clock import SystemClock
from smart_cron.engine.launcher import RunnerLauncher
from smart_cron.taskrunner import records, remains, runfile
from smart_cron.taskrunner.kernel import boot_id
from smart_cron.taskrunner.remains import kill_remains
from smart_cron.taskrunner.tree import all_processes

PATH = {"PATH": "/usr/bin:/bin"}


def pids(named: object) -> list[int]:
    """Return the pids of processes that are told as `pid:name`."""
    assert isinstance(named, list)
    return [int(name.partition(":")[0]) for name in named]


class LostRun:
    """A main process with the marks of a run, below nobody who looks after it."""

    def __init__(self, folder: Path) -> None:
        self.id = str(uuid.uuid4())
        self.post = Signpost(folder / "post")
        self.main: subprocess.Popen[bytes] | None = None

    def start(self, command: str) -> int:
        """Start it in a session of its own and return the pid that it writes to {post}."""
        self.main = subprocess.Popen(
            ["/bin/sh", "-c", command.format(post=self.post.path)],
            env={**PATH, "SMART_CRON_RUN_ID": self.id},
            start_new_session=True,
        )
        return int(self.post.wait())

    def end(self) -> list[int]:
        """End it with nothing known but its id, as within the first moments of a run; return what was found."""
        found, unkillable = kill_remains(self.id, main_pid=None, main_ticks=None)
        assert unkillable == []
        return pids(found)

    def close(self) -> None:
        self.post.close()
        if self.main is not None:
            self.main.kill()
            self.main.wait()


@pytest.fixture
def lost(tmp_path: Path) -> Iterator[LostRun]:
    with nothing_left_running():
        run = LostRun(tmp_path)
        yield run
        run.close()


def test_what_sits_in_a_session_that_a_marked_process_leads_is_the_runs(lost: LostRun) -> None:
    orphan = lost.start("(env -i sh -c 'echo $$ > {post}; exec sleep 300' &) ; exec sleep 300")

    assert orphan in lost.end()
    assert not is_alive(orphan)


def test_what_a_marked_process_has_for_a_child_is_the_runs(lost: LostRun) -> None:
    child = lost.start("setsid env -i sh -c 'echo $$ > {post}; exec sleep 300' & wait")

    assert child in lost.end()
    assert not is_alive(child)


def test_what_was_forked_while_the_list_was_read_is_found_by_the_next_look(
    lost: LostRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = lost.start("echo $$ > {post}; exec sleep 300")
    lists = iter([[process for process in all_processes() if process.pid != main]])
    monkeypatch.setattr(remains, "all_processes", lambda: next(lists, None) or all_processes())

    lost.end()

    assert not is_alive(main)


def test_a_process_amid_its_exec_is_looked_at_again(lost: LostRun, monkeypatch: pytest.MonkeyPatch) -> None:
    main = lost.start("echo $$ > {post}; exec sleep 300")
    environment = remains._environment
    looks = iter([True] * 3)

    def empty_at_first(pid: int) -> list[bytes] | None:
        return [b""] if pid == main and next(looks, False) else environment(pid)

    monkeypatch.setattr(remains, "_environment", empty_at_first)
    monkeypatch.setattr(remains, "_is_amid_exec", lambda pid: pid == main)

    lost.end()

    assert not is_alive(main)


def test_an_empty_environment_is_no_exec_under_way(lost: LostRun) -> None:
    bare = lost.start("env -i sh -c 'echo $$ > {post}; sleep 300; :'; :")

    assert remains._environment(bare) == [b""]
    assert not remains._is_amid_exec(bare)
    assert bare in lost.end()


def test_a_run_is_not_settled_between_the_fork_and_the_exec_of_its_main_process(tmp_path: Path) -> None:
    """It has no marks yet, but the run file, locked."""
    go_reader, go_writer = os.pipe()
    pid_reader, pid_writer = os.pipe()
    with nothing_left_running():
        supervisor = os.fork()
        if supervisor == 0:
            _fork_and_wait_before_the_exec(tmp_path, go_reader, pid_writer)
        os.close(pid_writer)
        main = int(os.read(pid_reader, 20))
        os.kill(supervisor, signal.SIGKILL)
        os.waitpid(supervisor, 0)

        before = runfile.settle(tmp_path, "0-1-2", 7)
        os.write(go_writer, b"go")
        assert os.read(pid_reader, 8) == b"running\n"
        settled = runfile.settle(tmp_path, "0-1-2", 7)

        assert before is None
        assert settled is not None
        assert settled["cause"] == "lost"
        assert pids(settled["leftovers"]) == [main]
        assert not is_alive(main)
    for fd in (go_reader, go_writer, pid_reader):
        os.close(fd)


def test_what_is_left_of_a_run_is_ended_though_its_row_is_final_by_the_word_of_others(
    lost: LostRun, tmp_path: Path
) -> None:
    """Its node was cut off when supervisor and task runner died: no sweep asks about it when the node is back."""
    runs = tmp_path / "runs"
    runs.mkdir()
    main = lost.start("echo $$ > {post}; exec sleep 300")
    held = records.take(str(runs), lost.id)
    held.append(records.fit(_started() | {"run_id": lost.id}, 1000))
    launcher = RunnerLauncher(
        client=None,  # type: ignore[arg-type] # Only files are read.
        state_dir=tmp_path,
        orders=None,  # type: ignore[arg-type]
        clock=SystemClock(),
        log=RecordingLog(),
    )
    assert list(launcher.ended()) == []
    held.close()

    ends = list(launcher.ended())

    assert [(end.run_id, end.cause) for end in ends] == [(lost.id, EndCause.LOST)]
    assert not is_alive(main)
    assert list(launcher.ended()) == ends


def _fork_and_wait_before_the_exec(runs: Path, go: int, out: int) -> None:
    held = records.take(str(runs), "0-1-2")
    held.append(records.fit(_started(), 1000))
    if os.fork() == 0:
        os.setsid()
        os.write(out, b"%d" % os.getpid())
        os.read(go, 2)
        os.dup2(out, 1)
        command = "echo running; exec sleep 300"
        os.execve("/bin/sh", ["sh", "-c", command], {**PATH, "SMART_CRON_RUN_ID": "0-1-2"})
    signal.pause()


def _started() -> dict[str, object]:
    return {
        "event": "started",
        "run_id": "0-1-2",
        "execution_id": 7,
        "boot_id": boot_id(),
        "started_at": 1,
        "output_path": "",
        "leftovers": [],
        "unkillable": [],
        "reason": "",
    }
