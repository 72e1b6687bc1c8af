"""Commands without the second that Python and Django take to start: each is a fork of a process that stands ready.

It is a process all the same, with an environment, a folder, standard streams and an end of its own, as `python -m
smart_cron` has them, and /proc shows it as that. One thing differs: every module is there already. A test that is about
it starts the program itself. `tests/standing.py` is the process that stands ready; it is started when it is first
needed.
"""

from __future__ import annotations

import atexit
import ctypes
import inspect
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

SRC = Path(__file__).parents[1] / "src"
STANDING = Path(__file__).with_name("standing.py")
CALLING = Path(__file__).with_name("calling.py")
# What an interpreter or its libraries read at their own start: a fork has what was read for the one that stands ready.
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
# Options of `Popen` that a fork knows nothing of, with the values that ask for nothing.
NOT_ASKED: dict[str, tuple[object, ...]] = {
    "preexec_fn": (None,),
    "pass_fds": ((), []),
    "shell": (False,),
    "gid": (None,),
    "gids": (None,),
    "uid": (None,),
    "umask": (-1,),
    "process_group": (-1, None),
    "start_new_session": (False,),
}
SIGNATURE = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
# Commands that need what serves pages.
PAGES = ("dashboard", "user")
SET_CHILD_SUBREAPER, GET_CHILD_SUBREAPER = 36, 37


def call(
    words: Sequence[str], *, environment: Mapping[str, str], timeout: float, typed: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of ours to its end, with *typed* as its input, and return what `subprocess.run` would."""
    with ExitStack() as stack:
        ends = [os.pipe() for _ in ("out", "err", "end")]
        reading = {read: bytearray() for read, _ in ends}
        for read in reading:
            stack.callback(os.close, read)
        with TemporaryFile() as source:
            source.write(typed)
            source.seek(0)
            try:
                command = [sys.executable, "-m", "smart_cron", *words]
                order = {"do": "call", **_order(command, environment, os.getcwd())}
                _ready_for(command).give(order, [source.fileno(), *(write for _, write in ends)])
            finally:
                for _, write in ends:
                    os.close(write)
        if not _read_all(reading, timeout):
            raise subprocess.TimeoutExpired(list(words), timeout, *map(bytes, list(reading.values())[:2]))
    out, err, end = map(bytes, reading.values())
    return subprocess.CompletedProcess(list(words), int(end), out, err)


class Fork(subprocess.Popen[bytes]):
    """`Popen` of this interpreter with `-m`, `-c` or a file: a child of ours that was forked and not started.

    What only a start gives (other options, variables that an interpreter reads when it starts, another tree of sources)
    is started.
    """

    def _execute_child(self, *given: Any) -> None:
        asked = SIGNATURE.bind(self, *given).arguments
        environment = os.environ if asked["env"] is None else asked["env"]
        if not _can_be_forked(asked, environment):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        pipes = [asked[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")]
        streams = [number if pipe == -1 else pipe for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        read, write = os.pipe()
        try:
            order = {"do": "start", **_order(asked["args"], environment, asked["cwd"] or os.getcwd())}
            with _adopting():
                _ready_for(asked["args"]).give(order, [*streams, write])
                os.close(write)
                self.pid = int(os.read(read, 100))
        finally:
            os.close(read)
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]
        self._child_created = True


def run(command: Sequence[str], *, timeout: float | None = None, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Do what `subprocess.run` with captured output does."""
    with Fork(list(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@cache
def program() -> str:
    """Return what a shell script, whoever runs it, calls as `smart-cron`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        # Without a file, which could be out of the reach of those others. The kernel gives it a name.
        door.bind("")
        door.listen()
        _ready("commands").give({"do": "listen"}, [door.fileno()])
        return f"{sys.executable} -IS {CALLING} {door.getsockname()[1:].decode()}"


def pids() -> set[int]:
    """Return the process that stands ready, where there is one: it lives as long as we do."""
    return {ready.process.pid for ready in _started}


def _order(command: Sequence[str], environment: Mapping[str, str], folder: str | os.PathLike[str]) -> dict[str, Any]:
    return {
        "command": [os.fspath(word) for word in command],
        "environment": dict(environment),
        "folder": os.fspath(folder),
        "umask": _umask(),
    }


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def _can_be_forked(asked: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    python, what, *_ = [*map(os.fspath, asked["args"]), ""]
    return (
        python == sys.executable
        and (what in ("-m", "-c") or what.endswith(".py"))
        and asked["executable"] in (None, python)
        and all(asked[name] in idle for name, idle in NOT_ASKED.items())
        and environment.get("PYTHONPATH", "").split(os.pathsep)[0] == str(SRC)
        and _read_at_start(environment) == _ready_for(asked["args"]).read_at_start
    )


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name not in ("PYTHONPATH", "LANGUAGE")
    }


@contextmanager
def _adopting() -> Iterator[None]:
    """Be the parent of what loses its own, for as long as this lasts."""
    libc = ctypes.CDLL(None)
    before = ctypes.c_int()
    libc.prctl(GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def _read_all(reading: Mapping[int, bytearray], timeout: float) -> bool:
    """Read until all writers are gone; say whether they went in time."""
    deadline = time.monotonic() + timeout
    poll = select.poll()
    for read in reading:
        poll.register(read, select.POLLIN)
    left = set(reading)
    while left:
        for read, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            part = os.read(read, 1 << 16)
            reading[read] += part
            if not part:
                poll.unregister(read)
                left.discard(read)
        if time.monotonic() > deadline:
            return not left
    return True


class _Ready:
    """A process that stands ready, and the way to it."""

    def __init__(self, what_for: str) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
        self.read_at_start = _read_at_start(kept)
        # For the words and the environment that /proc shows of its forks.
        room = "x" * (1 << 16)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, STANDING, str(theirs.fileno()), what_for, room],
                env={**kept, "PYTHONPATH": str(SRC), "ROOM": room},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        _started.append(self)
        atexit.register(self.close)

    def give(self, order: Mapping[str, Any], fds: Sequence[int]) -> None:
        """Give an order with three standard streams and what its answer is written to."""
        socket.send_fds(self.control, [json.dumps(order).encode()], fds)

    def close(self) -> None:
        self.control.close()
        self.process.wait()


_started: list[_Ready] = []
_ready = cache(_Ready)


def _ready_for(command: Sequence[str | os.PathLike[str]]) -> _Ready:
    """Return who has what this command is likely to need; with the other one it takes longer."""
    is_for_pages = any(word in PAGES or "faces.web" in word or "'dashboard'" in word for word in map(str, command[1:]))
    return _ready("pages" if is_for_pages else "commands")
