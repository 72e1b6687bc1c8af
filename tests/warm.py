"""Commands without the second that Python and Django take to start: each is a fork of a process that stands ready.

It is a process all the same, with an environment, a folder, standard streams and an end of its own, as `python -m
smart_cron` has them. Two things differ: its command line is that of whoever stood ready, and every module is there
already. A test that is about either, or about a process that lives on, starts the program itself.

Run as a program this file is the process that stands ready; `call` starts it when it is first needed.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryFile
from typing import Any, NoReturn

import pymysql

SRC = Path(__file__).parents[1] / "src"
DJANGO = (
    *(f"django.db.backends.{name}.base" for name in ("sqlite3", "mysql", "postgresql")),
    "django.db.migrations.executor",
    "django.db.models",
)
# Few commands need pages and API, and what is run with `-m` runs when it is imported.
NOT_IMPORTED = (
    "smart_cron.faces.api",
    "smart_cron.faces.web",
    "smart_cron.examples",
    "smart_cron.taskrunner.__main__",
    "smart_cron.__main__",
)


# Who calls ----------------------------------------------------------------------------------------------------------


def call(
    words: Sequence[str], *, environment: Mapping[str, str], timeout: float, typed: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of ours to its end, with *typed* as its input, and return what `subprocess.run` would."""
    with ExitStack() as stack:
        ends = [os.pipe() for _ in ("out", "err", "end")]
        reading = {read: bytearray() for read, _ in ends}
        for read in reading:
            stack.callback(os.close, read)
        order = {"words": list(words), "environment": dict(environment), "folder": os.getcwd(), "umask": _umask()}
        with TemporaryFile() as source:
            source.write(typed)
            source.seek(0)
            given = [source.fileno(), *(write for _, write in ends)]
            try:
                socket.send_fds(_ready().control, [json.dumps(order).encode()], given)
            finally:
                for _, write in ends:
                    os.close(write)
        if not _read_all(reading, timeout):
            raise subprocess.TimeoutExpired(list(words), timeout, *map(bytes, list(reading.values())[:2]))
    out, err, end = map(bytes, reading.values())
    return subprocess.CompletedProcess(list(words), int(end), out, err)


def pids() -> set[int]:
    """Return the process that stands ready, where there is one: it lives as long as we do."""
    return {_ready().process.pid} if _ready.cache_info().currsize else set()


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


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
    """The process that stands ready, and the way to it."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env={**kept, "PYTHONPATH": str(SRC)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def close(self) -> None:
        self.control.close()
        self.process.wait()


@cache
def _ready() -> _Ready:
    ready = _Ready()
    atexit.register(ready.close)
    return ready


# The process that stands ready --------------------------------------------------------------------------------------


def main(control: socket.socket) -> None:
    """Serve orders until nobody can give any more."""
    _import_all()
    # What is garbage is so for all, and no collection of a fork's touches, and so copies, what they share.
    gc.collect()
    gc.freeze()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready in running:
                poll.unregister(ready)
                _report(*running.pop(ready))
                os.close(ready)
                continue
            text, given, _, _ = socket.recv_fds(control, 1 << 20, 4)
            if not text:
                return
            pid = os.fork()
            if not pid:
                _obey(json.loads(text), given[:3])
            for fd in given[:3]:
                os.close(fd)
            watched = os.pidfd_open(pid)
            running[watched] = pid, given[3]
            poll.register(watched, select.POLLIN)


def _report(pid: int, fd: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(fd, "wb") as to_caller:
        to_caller.write(str(code).encode())


def _import_all() -> None:
    """Import whatever can be imported where nothing is set up yet; the rest is for those who set it up."""
    import smart_cron

    pymysql.install_as_MySQLdb()
    found = [module.name for module in walk_packages(smart_cron.__path__, "smart_cron.", onerror=lambda _: None)]
    for name in (*DJANGO, *found):
        if not name.startswith(NOT_IMPORTED):
            # What is wrong with it fails whoever needs it.
            with suppress(Exception):
                import_module(name)


def _obey(order: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """Be `smart-cron` with these words, to its end."""
    code: object = 1
    try:
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.closerange(len(streams), os.sysconf("SC_OPEN_MAX"))
        os.chdir(order["folder"])
        os.umask(order["umask"])
        os.environ.clear()
        os.environ.update(order["environment"])
        time.tzset()
        sys.argv = ["smart-cron", *order["words"]]
        import_module("smart_cron.faces.cli.main").main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 — the outermost frame; Python too would print it and fail
        traceback.print_exc()
    finally:
        _leave(code)


def _leave(code: object) -> NoReturn:
    """End as Python does, but leave memory as it is: to tidy it would copy all of it first."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
