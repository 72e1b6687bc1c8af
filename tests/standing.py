"""The process that stands ready: it has imported everything, and is forked for each command (see `tests/warm.py`)."""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any, NoReturn

import pymysql

from standing_pages import import_pages

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
# Of /proc/self/stat, behind the name: where the words and the environment of a process stand in its memory.
PLACES = slice(45, 49)
CLONE_NEWNS = 0x20000


def main(control: socket.socket, *, pages: bool) -> None:
    """Import everything, and take orders."""
    _import_all()
    if pages:
        import_pages()
    # What is garbage is so for all, and no collection of a fork's touches, and so copies, what they share.
    gc.collect()
    gc.freeze()
    Desk(control).serve()


class Desk:
    """Where orders come in, and what is under way."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._doors: dict[int, socket.socket] = {}
        # By its pidfd a fork, and what its end is written to.
        self._running: dict[int, tuple[int, int]] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Go on until nobody can give orders any more."""
        while True:
            for ready, _ in self._poll.poll():
                if ready in self._running:
                    self._poll.unregister(ready)
                    _report(*self._running.pop(ready))
                    os.close(ready)
                elif ready in self._doors:
                    self._come_in(self._doors[ready])
                elif not self._take_order():
                    return

    def _take_order(self) -> bool:
        text, given, _, _ = socket.recv_fds(self._control, 1 << 20, 4)
        if text:
            order = json.loads(text)
            {"call": self._call, "start": _start, "listen": self._listen}[order["do"]](order, given)
        return bool(text)

    def _call(self, order: Mapping[str, Any], given: Sequence[int]) -> None:
        pid = os.fork()
        if not pid:
            _obey(order, given[:3])
        for fd in given[:3]:
            os.close(fd)
        watched = os.pidfd_open(pid)
        self._running[watched] = pid, given[3]
        self._poll.register(watched, select.POLLIN)

    def _listen(self, _: Mapping[str, Any], given: Sequence[int]) -> None:
        door = socket.socket(fileno=given[0])
        self._doors[door.fileno()] = door
        self._poll.register(door, select.POLLIN)

    def _come_in(self, door: socket.socket) -> None:
        """Take the order of a stranger, for its own place and user."""
        visitor = door.accept()[0]
        text, (*streams, place), _, _ = socket.recv_fds(visitor, 1 << 20, 4)
        order = json.loads(text)
        _, order["user"], order["group"] = struct.unpack(
            "3i", visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        self._call({**order, "place": place}, [*streams, visitor.detach()])
        os.close(place)


def _report(pid: int, fd: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(fd, "wb") as to_caller:
        to_caller.write(str(code).encode())


def _start(order: Mapping[str, Any], given: Sequence[int]) -> None:
    """Leave a process to the caller: who adopts what has lost its parent is its parent, before its pid is told."""
    read, write = os.pipe()
    between = os.fork()
    if not between:
        between = os.getpid()
        if pid := os.fork():
            os.write(write, str(pid).encode())
            os._exit(0)
        while os.getppid() == between:
            os.sched_yield()
        _obey(order, given[:3])
    os.waitpid(between, 0)
    os.write(given[3], os.read(read, 100))
    for fd in (read, write, *given):
        os.close(fd)


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
    _hash_cheaply()


def _hash_cheaply() -> None:
    """Hash passwords as always, for a thousandth of the price: half a second for each user and each login."""
    from django.contrib.auth.hashers import Argon2PasswordHasher as Hasher

    Hasher.time_cost, Hasher.memory_cost, Hasher.parallelism = 1, 64, 1


def _obey(order: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """Be the interpreter with these words, to its end."""
    code: object = 1
    try:
        if "place" in order:
            _go_there(order)
        for number, fd in enumerate(streams):
            os.dup2(fd, number)
        os.closerange(len(streams), os.sysconf("SC_OPEN_MAX"))
        os.chdir(order["folder"])
        os.umask(order["umask"])
        os.environ.clear()
        os.environ.update(order["environment"])
        _show(order["command"], order["environment"])
        time.tzset()
        sys.orig_argv = order["command"]
        _run(order["command"][1:])
        code = 0
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001 — the outermost frame; Python too would print it and fail
        traceback.print_exc()
    finally:
        _leave(code)


def _go_there(order: Mapping[str, Any]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(order["place"], CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "setns")
    os.setgroups(order["groups"])
    os.setresgid(*[order["group"]] * 3)
    os.setresuid(*[order["user"]] * 3)


def _run(words: Sequence[str]) -> None:
    """Do what Python does with these words."""
    kind, name = words[0], words[1] if words[0] in ("-m", "-c") else words[0]
    # The first is the folder of this file, the second our own PYTHONPATH.
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:2] = [os.path.dirname(name) if kind == name else "" if kind == "-c" else os.getcwd(), *given]
    if kind == "-m":
        sys.argv = ["-m", *words[2:]]
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return
    main_module = sys.modules["__main__"] = ModuleType("__main__")
    if kind == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(name, "<string>", "exec"), vars(main_module))
    else:
        sys.argv = list(words)
        main_module.__file__ = name
        exec(compile(Path(name).read_bytes(), name, "exec"), vars(main_module))


def _show(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Let /proc show these as ours, as far as there is room."""
    places = list(map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[PLACES]))
    shown = (command, [f"{name}={value}" for name, value in environment.items()])
    for begin, end, texts in zip(places[::2], places[1::2], shown, strict=True):
        text = b"".join(os.fsencode(text) + b"\0" for text in texts)[: end - begin - 1]
        ctypes.memmove(begin, text.ljust(end - begin, b"\0"), end - begin)


def _leave(code: object) -> NoReturn:
    """End as Python does, but leave memory as it is: to tidy it would copy all of it first."""
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code or 0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), pages=sys.argv[2] == "pages")
