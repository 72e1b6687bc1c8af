from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import smart_cron.taskrunner
from smart_cron.taskrunner.directories import own_directory
from smart_cron.taskrunner.limits import unkept_limits
from smart_cron.taskrunner.protocol import LineBuffer, at_address, from_json, line, socket_path
from smart_cron.taskrunner.run import Event, Run, State
from smart_cron.taskrunner.spares import Spares
from smart_cron.taskrunner.tree import Process, read_process, signal_process

ROOM = Path(smart_cron.taskrunner.__file__).parent


@given(st.lists(st.binary(max_size=20).filter(lambda data: b"\n" not in data), max_size=10), st.integers(1, 7))
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], step: int) -> None:
    stream = b"".join(data + b"\n" for data in lines)
    buffer = LineBuffer()

    assert [l for i in range(0, len(stream), step) for l in buffer.feed(stream[i : i + step])] == lines  # noqa: E741


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_a_message_is_one_line_whatever_it_holds(message: dict[str, object]) -> None:
    assert line(message).count(b"\n") == 1
    assert from_json(line(message)) == message


def test_bytes_that_are_no_text_survive_the_way() -> None:
    argument = os.fsdecode(b"\xff\xfe\0x")

    assert os.fsencode(from_json(line({"a": argument}))["a"]) == b"\xff\xfe\0x"


def test_socket_paths_differ_by_state_directory_and_version() -> None:
    paths = {socket_path("/run/x", state, version) for state, version in product(("/a", "/b"), ("1", "2"))}

    assert len(paths) == 4


def test_a_socket_is_reached_however_long_its_path(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = str(folder / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as caller:
        at_address(path, listener.bind)
        listener.listen()
        at_address(path, caller.connect)

        assert listener.accept()[0].close() is None


def test_every_state_has_an_answer_to_every_event() -> None:
    assert set(Run._table) == set(product(set(State) - {State.OVER}, Event))


def test_the_room_imports_the_standard_library_and_itself_only() -> None:
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.startswith("smart_cron.taskrunner") or name.partition(".")[0] in sys.stdlib_module_names


def test_supervisors_load_none_of_the_heavy_modules() -> None:
    code = (
        f"import sys; sys.argv = ['x']; p = type(sys)('smart_cron'); p.__path__ = [{str(ROOM.parent)!r}]\n"
        "sys.modules['smart_cron'] = p\nimport smart_cron.taskrunner.daemon\n"
        "print(*{'typing', 'dataclasses', 'logging', 'subprocess', 'asyncio', 'pathlib', 'inspect'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True, check=True).stdout

    assert loaded.split() == []


def test_security_36_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    own_directory(str(tmp_path / "made" / "here"))
    for mode in (0o777, 0o770, 0o1777):
        tmp_path.chmod(mode)
        with pytest.raises(PermissionError, match="written by others"):
            own_directory(str(tmp_path))
    tmp_path.chmod(0o750)
    assert (tmp_path / "made" / "here").stat().st_mode & 0o777 == 0o750


def test_limits_that_cannot_be_kept_are_said() -> None:
    assert "8 processes" in unkept_limits({"limits": {"processes": 8}, "nice": 0})[0]
    assert unkept_limits({"limits": {"cpu_seconds": 8, "memory_bytes": 1}, "nice": 3}) == []


def test_a_process_name_may_hold_anything() -> None:
    me = read_process(os.getpid())

    assert me is not None
    assert (me.pid, me.ppid, me.session) == (os.getpid(), os.getppid(), os.getsid(0))
    assert str(Process(7, "a) b", "S", 1, 7, 1)) == "7:a) b"


def test_a_reused_pid_is_not_signalled() -> None:
    import signal

    me = read_process(os.getpid())
    assert me is not None

    assert signal_process(os.getpid(), me.start_ticks + 1, signal.SIGKILL) is False


def test_a_runner_that_is_alone_uses_a_file_again_at_once_and_remembers_its_run(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path), alone=True)
    spares.expect("late", 1e12)
    spares.expect("early", 1.0)

    spares.release("late")
    assert (spares.next(), spares.remembers("late")) == ("late", True)
    spares.release("early")
    assert (spares.next(), spares.next()) == ("early", None)


def test_presence_tells_whether_another_runner_lives(tmp_path: Path) -> None:
    code = "import sys; from smart_cron.taskrunner.presence import declare; print(declare(sys.argv[1]), flush=True)"
    command = [sys.executable, "-c", f"{code}; sys.stdin.read()", str(tmp_path / "lock")]
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True)

    def answer(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    with start() as first:
        assert answer(first) == "True"
        with start() as second:
            assert answer(second) == "False"
    with start() as third:
        assert answer(third) == "True"


def test_beside_another_runner_spares_cool_down_until_their_deadline(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path), alone=False)
    spares.expect("early", 1.0)
    spares.expect("late", 1e12)
    for run_id in ("early", "late", "unknown"):
        spares.release(run_id)

    assert [spares.next(), spares.next()] == ["early", None]


def test_a_file_that_is_released_twice_is_handed_out_once(tmp_path: Path) -> None:
    spares = Spares(str(tmp_path), alone=True)
    spares.expect("run-1", 1e12)

    spares.release("run-1")
    spares.release("run-1")

    assert spares.next() == "run-1"
    assert spares.next() is None
