"""The task runner as the engine uses it: find or start it, hand over orders, hear what becomes of them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smart_cron.taskrunner import daemon, protocol, runfile, tree
from smart_cron.taskrunner.silence import SilentRunner, can_send

START_SECONDS = 15.0
REPLY_SECONDS = 10.0
# A runner that says nothing of an order for so long is asked whether it is there.
SILENCE_SECONDS = 5.0
SEND_SECONDS = 30.0
# What concerns a run; other messages are answers, and this client's own business.
NEWS = ("started", "finished", "refused")
RETRY_SECONDS = 0.05
CHUNK_BYTES = 262_144
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def runner_command(*, state_dir: str | Path, run_dir: str | Path, version: str, idle_seconds: float) -> list[str]:
    """Return the command that starts a task runner; see `taskrunner.__main__`."""
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    places = ["--state", os.path.abspath(state_dir), "--run", os.path.abspath(run_dir), "--version", version]
    # -IS: neither the environment nor site-packages has a say; -B: it may run as root over files of others.
    return [sys.executable, "-ISB", main, "smart-cron", "task-runner", *places, "--idle", str(idle_seconds)]


class RunnerUnavailable(OSError):  # noqa: N818 - a state of the world that callers wait out, not a mistake
    """The task runner cannot be started or reached, or the connection to it was lost."""


class _Line:
    """One connection to a runner."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(SEND_SECONDS)
            protocol.at_address(path, self.socket.connect)
        except OSError:
            self.socket.close()
            raise
        self._lines = protocol.LineBuffer()
        self.is_stopping = False
        self.heard_at = time.monotonic()
        self.asked_at: float | None = None

    def must_answer_by(self) -> float:
        """When the runner is to be asked or, once it was, when it must have answered."""
        return self.heard_at + SILENCE_SECONDS if self.asked_at is None else self.asked_at + REPLY_SECONDS

    def ask(self) -> None:
        """Ask for a sign of life, never waiting; one that takes nothing more gives none either."""
        self.asked_at = time.monotonic()
        with contextlib.suppress(OSError):
            if can_send(self.socket):
                self.socket.send(protocol.line({"op": "watch"}), socket.MSG_NOSIGNAL)

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the messages that are there, or None where the runner has gone."""
        try:
            data = self.socket.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        except OSError:
            return None
        self.heard_at, self.asked_at = time.monotonic(), None
        return [protocol.from_json(line) for line in self._lines.feed(data)] if data else None


class RunnerClient:
    """The task runner of one state directory and version. Not for several threads at once."""

    def __init__(
        self, *, state_dir: Path, run_dir: Path, version: str, idle_seconds: float = 300.0, start: bool = True
    ) -> None:
        """*start* False never starts a runner: under systemd it is a unit of its own."""
        self._state_dir, self._run_dir, self._version = os.path.abspath(state_dir), os.path.abspath(run_dir), version
        self._runs_dir = f"{self._state_dir}/runs"
        self._idle_seconds, self._may_start = idle_seconds, start
        self._line: _Line | None = None
        # Lines to runners that are stopping: their last runs are still told on them.
        self._old_lines: list[_Line] = []
        self._events: deque[dict[str, Any]] = deque()
        # Orders of which nothing was heard yet, in case they met a runner that was just stopping.
        self._expecting: dict[str, dict[str, Any]] = {}
        self._epoll = select.epoll()
        self.runner_pid: int | None = None
        self._silent: SilentRunner | None = None

    def ensure(self) -> None:
        """Connect to the runner, starting one where none answers. Raise RunnerUnavailable where that cannot be done.

        One that takes connections and does not answer for `REPLY_SECONDS` is killed first, which its runs outlive.
        """
        if self.connect():
            return
        self._end_silent()
        if not self._may_start:
            raise RunnerUnavailable("the task runner does not answer, and it is not ours to start: see its unit's log")
        deadline = time.monotonic() + START_SECONDS
        while True:
            answer = self._start()
            # Occupied: another one holds the lock, and makes its socket anew if that was deleted.
            if self.connect():
                return
            # One that said nothing was killed on its way.
            if time.monotonic() > deadline or answer not in (daemon.READY, daemon.OCCUPIED, b""):
                raise RunnerUnavailable(f"the task runner does not start: {_last_line(answer)}")
            time.sleep(RETRY_SECONDS)

    def connect(self) -> bool:
        """Connect where a runner answers already; False where none does, see `silent_pid`."""
        if self._line is not None and not self._line.is_stopping:
            return True
        try:
            line = _Line(protocol.socket_path(self._run_dir, self._state_dir, self._version))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise RunnerUnavailable(f"the task runner's socket cannot be used: {error}") from error
        if self._line is not None:
            self._old_lines.append(self._line)
        self._line = line
        self._epoll.register(line.socket.fileno(), select.EPOLLIN)
        try:
            line.socket.sendall(protocol.line({"op": "watch"}))
            self.runner_pid = int(self._wait_for("hello", line)["pid"])
            self._forget_silent()
        except OSError:
            self._drop(line)
            return False
        return not line.is_stopping

    @property
    def silent_pid(self) -> int | None:
        """The runner that took our connection and did not answer, the last time that we asked."""
        return None if self._silent is None else self._silent.pid

    def _note_silence(self, line: _Line) -> None:
        self._forget_silent()
        self._silent = SilentRunner.behind(line.socket)
        self._drop(line)

    def _forget_silent(self) -> None:
        if self._silent is not None:
            self._silent.close()
            self._silent = None

    def _end_silent(self) -> None:
        if self._silent is None:
            return
        pid, has_ended = self._silent.pid, self._silent.end()
        self._forget_silent()
        if not has_ended:
            raise RunnerUnavailable(f"the task runner (process {pid}) neither answers nor can be ended")

    def _start(self) -> bytes:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            with contextlib.closing(open(os.devnull, "rb")) as null:
                pid = os.posix_spawn(
                    sys.executable,
                    self._command(),
                    ENVIRONMENT,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, null.fileno(), 0),
                        (os.POSIX_SPAWN_DUP2, writer, 1),
                        (os.POSIX_SPAWN_DUP2, writer, 2),
                    ],
                )
        except OSError as error:
            os.close(reader)
            raise RunnerUnavailable(f"the task runner cannot be started: {error}") from error
        finally:
            os.close(writer)
        try:
            # The first process ends at once: the runner is its grandchild.
            answer = _read_until_closed(reader, time.monotonic() + START_SECONDS)
        finally:
            os.close(reader)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        return answer

    def _command(self) -> list[str]:
        return runner_command(
            state_dir=self._state_dir, run_dir=self._run_dir, version=self._version, idle_seconds=self._idle_seconds
        )

    def fileno(self) -> int:
        """Return a descriptor that is readable when `poll` has something."""
        return self._epoll.fileno()

    def launch(self, orders: Sequence[dict[str, Any]]) -> None:
        """Hand orders over in one write. A lost runner is started again, once; a run id is never started twice."""
        data = b"".join(protocol.line({"op": "launch", "order": order}) for order in orders)
        if self._line is not None and not self._expecting:
            self._line.heard_at = time.monotonic()  # Nothing was to be heard until now.
        self._expecting.update((order["run_id"], order) for order in orders)
        try:
            self._send(data)
        except RunnerUnavailable:
            # What the lost one got of these is refused as taken by the new one: the run files know.
            self._send(data)

    def _send(self, data: bytes) -> None:
        self.ensure()
        line = self._line
        assert line is not None
        try:
            line.socket.sendall(data)
        except OSError as error:
            self._drop(line)
            raise RunnerUnavailable(f"the connection to the task runner was lost: {error}") from error

    def cancel(self, run_id: str) -> None:
        """End a run's whole tree: by the runner, or by the supervisor that its file names if the runner is new."""
        if self.connect():
            self._send(protocol.line({"op": "cancel", "run_id": run_id}))
            assert self._line is not None
            while True:
                answer = self._wait_for("cancelling", self._line)
                if answer["run_id"] == run_id:
                    break
            if answer["known"]:
                return
        found = runfile.read(self._runs_dir, run_id)
        if found is not None and found.locked and found.started is not None:
            tree.signal_process(found.started["supervisor_pid"], found.started["supervisor_ticks"], signal.SIGTERM)

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """Return what happened, waiting at most *timeout* seconds; raise RunnerUnavailable when the line is lost."""
        if not self._events:
            self._hear_in_time(timeout)
        events = [event for event in self._events if event["event"] in NEWS]
        self._events.clear()
        events = self._without_turned_away(events)
        if not events and self._line is None:
            raise RunnerUnavailable("there is no connection to the task runner")
        return events

    def _without_turned_away(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give orders that a stopping runner refused to the next one, once, and return the other events."""
        again, others = [], []
        for event in events:
            order = self._expecting.pop(event["run_id"], None)
            if order is not None and event["event"] == "refused" and event["code"] == "stopping":
                again.append(order)
            else:
                others.append(event)
        if again:
            self._send(b"".join(protocol.line({"op": "launch", "order": order}) for order in again))
        return others

    def running(self) -> list[str]:
        """Return the run ids that the runner holds. Supervisors of an earlier runner are seen in their files only."""
        if not self.connect():
            return []
        self._send(protocol.line({"op": "running"}))
        assert self._line is not None
        return list(self._wait_for("running", self._line)["run_ids"])

    def release(self, run_ids: Sequence[str]) -> None:
        """Let the files of these runs be used again: their rows are final."""
        if run_ids and self.connect():
            self._send(protocol.line({"op": "release", "run_ids": list(run_ids)}))

    def close(self) -> None:
        """Close the connection. Runner and runs go on."""
        for line in [*self._old_lines, *([self._line] if self._line else [])]:
            self._drop(line)
        self._forget_silent()
        self._epoll.close()

    def _hear_in_time(self, timeout: float) -> None:
        """Hear, and see that a runner that has orders of ours says something in time."""
        line = self._line
        if line is None or not self._expecting:
            self._hear(timeout)
            return
        self._hear(min(timeout, line.must_answer_by() - time.monotonic()))
        if time.monotonic() < line.must_answer_by() or line is not self._line:
            return
        if line.asked_at is None:
            line.ask()
        else:
            self._note_silence(line)

    def _hear(self, timeout: float) -> None:
        ready = {fd for fd, _ in self._epoll.poll(max(timeout, 0))}
        for line in [*self._old_lines, *([self._line] if self._line else [])]:
            if line.socket.fileno() in ready:
                self._take_in(line)

    def _take_in(self, line: _Line) -> None:
        messages = line.receive()
        if messages is None:
            self._drop(line)
            return
        for message in messages:
            if message["event"] == "stopping" or (message["event"] == "hello" and message["stopping"]):
                line.is_stopping = True
            self._events.append(message)

    def _wait_for(self, event: str, line: _Line) -> dict[str, Any]:
        deadline = time.monotonic() + REPLY_SECONDS
        kept = self._events
        self._events = deque()
        try:
            while line is self._line or line in self._old_lines:
                for message in list(self._events):
                    if message["event"] == event:
                        self._events.remove(message)
                        return message
                kept.extend(self._events)
                self._events.clear()
                if time.monotonic() > deadline:
                    self._note_silence(line)
                    raise RunnerUnavailable("the task runner does not answer")
                self._hear(deadline - time.monotonic())
            raise RunnerUnavailable("the connection to the task runner was lost")
        finally:
            kept.extend(self._events)
            self._events = kept

    def _drop(self, line: _Line) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._epoll.unregister(line.socket.fileno())
        line.socket.close()
        if line in self._old_lines:
            self._old_lines.remove(line)
        if line is self._line:
            self._line = None


def _read_until_closed(fd: int, deadline: float) -> bytes:
    answer = b""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    while waiting.poll(max(deadline - time.monotonic(), 0) * 1000):
        data = os.read(fd, 65_536)
        if not data:
            break
        answer += data
    return answer


def _last_line(answer: bytes) -> str:
    return answer.decode(errors="replace").strip().rpartition("\n")[2] or "it ended without a word"
