"""The runner: one loop that hands orders to a pool of supervisors and passes on what they tell.

It also cleans up after supervisors that were killed: as the subreaper above them it inherits their orphans.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections import deque

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.cgroup import group_of_run
from smart_cron.taskrunner.clients import ClientDesk
from smart_cron.taskrunner.kernel import boottime
from smart_cron.taskrunner.pool import Pool, Seat
from smart_cron.taskrunner.records import RunFile, take_over
from smart_cron.taskrunner.run import note_signal
from smart_cron.taskrunner.runfile import lost_finish
from smart_cron.taskrunner.spares import Spares
from smart_cron.taskrunner.supervisor import refused_event
from smart_cron.taskrunner.tree import kill_orphans
from smart_cron.taskrunner.urgency import hurry, slow_down

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from smart_cron.taskrunner.clients import Connection
    from smart_cron.taskrunner.journal import Journal
    from smart_cron.taskrunner.protocol import Message

HOUSEKEEPING_SECONDS = 2.0
SWEEP_SECONDS = 0.02
SWEEP_PATIENCE_SECONDS = 10.0
# Zombies may come as fast as they are reaped: never all of them in one go.
REAPED_AT_ONCE = 1000
# An order whose supervisor died before its first record is given to one more.
MAX_TRIES = 2


class Request:
    """What a client asked."""

    __slots__ = ("connection", "message")

    def __init__(self, connection: Connection, message: Message) -> None:
        self.connection, self.message = connection, message


class Runner:
    """All state of the task runner. `run` returns when it is no longer needed."""

    def __init__(
        self,
        *,
        desk: ClientDesk,
        pool: Pool,
        spares: Spares,
        journal: Journal,
        runs_dir: str,
        idle_seconds: float,
        when_stopping: Callable[[], None],
    ) -> None:
        self._when_stopping = when_stopping
        self._desk, self._pool, self._runs_dir = desk, pool, runs_dir
        self._spares, self._journal = spares, journal
        self._idle_seconds = idle_seconds
        self._by_run: dict[str, Seat] = {}
        self._lost: deque[Seat] = deque()
        self._sweep_at = math.inf
        self._stop_asked = False
        self._stopping = False
        self._needed_at = time.monotonic()
        self._housekeeping_at = self._needed_at
        self._wake, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_stop_signal)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, note_signal)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        desk.attach(self._epoll)
        pool.attach(self._epoll)

    def _on_stop_signal(self, _number: int, _frame: object) -> None:
        self._stop_asked = True

    def run(self) -> None:
        """Serve until told to stop, or until nobody needed it for a while, and its last run is over."""
        self._pool.warm_up()
        while not self._is_done():
            for fd, event in self._epoll.poll(self._wait_seconds()):
                self._handle(fd, event)
            if self._stop_asked and not self._stopping:
                self._stop()
            if time.monotonic() >= self._sweep_at:
                self._sweep()
            if time.monotonic() >= self._housekeeping_at:
                self._keep_house()
            # On the disk before anyone is told: what was published in this turn leaves by the next line.
            self._journal.commit()
            self._desk.flush()

    def _is_done(self) -> bool:
        return self._stopping and not self._by_run and not self._lost

    def _wait_seconds(self) -> float:
        return max(min(self._housekeeping_at, self._sweep_at) - time.monotonic(), 0)

    def _handle(self, fd: int, event: int) -> None:
        if (seat := self._pool.by_fd.get(fd)) is not None:
            self._hear(seat)
        elif fd == self._wake:
            os.read(fd, 512)
            self._reap()
        elif self._desk.is_listener(fd):
            self._desk.accept()
        else:
            for connection, line in self._desk.receive(fd, event):
                self._obey(connection, line)

    # Supervisors

    def _hear(self, seat: Seat) -> bool:
        """Take one message in; False where there is none."""
        message = seat.receive()
        if message == b"":
            self._pool.deafen(seat)
        if not message:
            return False
        kind, body = message[:1], message[1:]
        if kind == protocol.STARTED:
            self._desk.publish(body)
            return True
        if kind != protocol.REFUSED and seat.run_id is not None:
            self._journal.note(seat.run_id, body)
        self._release_seat(seat, reusable=kind in (protocol.FINISHED, protocol.REFUSED))
        self._desk.publish(body)
        return True

    def _release_seat(self, seat: Seat, *, reusable: bool) -> None:
        self._by_run.pop(seat.run_id or "", None)
        self._needed_at = time.monotonic()
        if reusable and not self._stopping:
            self._pool.put_back(seat)
        else:
            self._pool.retire(seat)

    def _reap(self) -> None:
        for _ in range(REAPED_AT_ONCE):
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # Whatever has ended, supervisor or orphan, may have left us its children.
            self._sweep_at = 0.0
            seat = self._pool.by_pid.get(pid)
            if seat is not None:
                self._bury(seat)

    def _bury(self, seat: Seat) -> None:
        # What it told before its end is still in the socket.
        while self._pool.hears(seat) and self._hear(seat):
            pass
        self._pool.forget(seat)
        if seat.run_id is not None:
            self._lost.append(seat)
            seat.settle_at = time.monotonic() + SWEEP_PATIENCE_SECONDS

    def _sweep(self) -> None:
        """End what dead supervisors left to us, and settle their runs once it is gone or cannot be killed."""
        if self._lost:
            hurry()
        self._reap()
        orphans = kill_orphans(frozenset(self._pool.by_pid))
        names = [str(process) for process in orphans or ()]
        now = time.monotonic()
        for seat in list(self._lost):
            seat.strays.update(names)
            if orphans is None or now > seat.settle_at:
                self._lost.remove(seat)
                self._settle_lost(seat, unkillable=names)
        if not self._lost:
            slow_down()
        # What cannot be killed now may be able to end later, and has children then.
        pause = SWEEP_SECONDS if self._lost else HOUSEKEEPING_SECONDS
        self._sweep_at = math.inf if orphans is None else now + pause

    def _settle_lost(self, seat: Seat, *, unkillable: list[str]) -> None:
        assert seat.run_id is not None
        self._by_run.pop(seat.run_id, None)
        try:
            held = take_over(self._runs_dir, seat.run_id)
        except OSError:
            return  # Not to be had now. The master settles what nobody has in hand, as soon as it can.
        if held is None:
            return  # Somebody else settles it.
        try:
            found = RunFile(seat.run_id, held.records, locked=False)
            if found.finished is not None:
                held.sync()
                self._desk.publish(protocol.line(found.finished)[:-1])
                return
            if found.started is not None:
                finish = _end_without_supervisor(found.started, seat, unkillable)
                if group := group_of_run(found.started.get("cgroup"), seat.run_id):
                    group.remove()
                self._desk.publish(held.append_finish(finish))
                return
        finally:
            held.close()
        self._try_again(seat)

    def _try_again(self, seat: Seat) -> None:
        if seat.tries >= MAX_TRIES or self._stopping:
            self._refuse(
                protocol.unpacked(seat.order), "stopping", "its supervisor ended before it could start the run"
            )
            return
        self._assign(seat.run_id or "", seat.order, seat.overdue_seconds, tries=seat.tries + 1)

    # Clients

    def _obey(self, connection: Connection, line: bytes) -> None:
        try:
            message = protocol.from_json(line)
            handler = self._requests[message["op"]]
        except (ValueError, KeyError, TypeError):
            connection.send({"event": "error", "reason": "the request is not one that this task runner knows"})
            return
        handler(self, Request(connection, message))

    def _on_watch(self, request: Request) -> None:
        request.connection.is_watching = True
        request.connection.send({"event": "hello", "pid": os.getpid(), "stopping": self._stopping})

    def _on_running(self, request: Request) -> None:
        request.connection.send({"event": "running", "run_ids": list(self._by_run)})

    def _on_cancel(self, request: Request) -> None:
        seat = self._by_run.get(request.message.get("run_id", ""))
        if seat is not None:
            seat.send(protocol.CANCEL)
        request.connection.send(
            {"event": "cancelling", "run_id": request.message.get("run_id"), "known": seat is not None}
        )

    def _on_release(self, request: Request) -> None:
        for run_id in request.message.get("run_ids", ()):
            if protocol.is_run_id(run_id) and run_id not in self._by_run:
                self._journal.forget(run_id)
                self._spares.release(run_id)

    def _on_launch(self, request: Request) -> None:
        order = request.message.get("order")
        order = order if isinstance(order, dict) else {}
        try:
            run_id, deadline = order["run_id"], float(order["launch_deadline"])
            overdue_seconds = float(order["timeout_seconds"]) + float(order["kill_grace_seconds"])
        except (KeyError, TypeError, ValueError):
            self._refuse(order, "invalid", "the order cannot be read")
            return
        if not protocol.is_run_id(run_id):
            self._refuse(order, "invalid", "the run id holds more than letters, digits and dashes")
        elif self._stopping:
            self._refuse(order, "stopping", "the task runner is stopping")
        elif run_id in self._by_run or self._spares.remembers(run_id):
            self._refuse(order, "taken", "the run is running already, or was here before")
        else:
            self._spares.expect(run_id, deadline)
            self._assign(run_id, protocol.packed(order), overdue_seconds, tries=1)

    def _assign(self, run_id: str, order: bytes, overdue_seconds: float, *, tries: int) -> None:
        try:
            seat = self._pool.take_seat()
        except OSError as error:
            self._refuse(protocol.unpacked(order), "space", f"no supervisor can be made: {error.strerror}")
            return
        seat.occupy(run_id, order, overdue_seconds, tries=tries)
        self._by_run[run_id] = seat
        if not seat.send_order(self._spares.next(), order):
            # It does not read, or is gone: killing it leads to where a lost one is dealt with.
            seat.kill()

    def _refuse(self, order: Message, code: str, reason: str) -> None:
        self._desk.publish(protocol.line(refused_event(order, code, reason))[:-1])

    _requests: ClassVar[dict[str, Callable[[Runner, Request], None]]] = {
        "watch": _on_watch,
        "launch": _on_launch,
        "cancel": _on_cancel,
        "running": _on_running,
        "release": _on_release,
    }

    # Time

    def _keep_house(self) -> None:
        now = time.monotonic()
        self._housekeeping_at = now + HOUSEKEEPING_SECONDS
        self._pool.kill_overdue(now)
        self._pool.trim(now)
        self._spares.keep_house(boottime())
        if self._stopping:
            return
        self._desk.listen_again_if_gone()
        if self._by_run or self._desk.has_clients:
            self._needed_at = now
        elif now - self._needed_at > self._idle_seconds:
            self._stop()

    def _stop(self) -> None:
        # From here on another runner may take the place; this one only sees its runs through.
        self._stopping = True
        self._desk.stop_listening()
        self._when_stopping()
        self._pool.retire_idle()
        self._desk.publish(protocol.line({"event": "stopping"})[:-1])


def _end_without_supervisor(started: Message, seat: Seat, unkillable: list[str]) -> Message:
    """Return the `finished` record of a run that was ended here: lost, unless it surely was for its timeout."""
    reason = "its supervisor had stopped answering" if seat.was_frozen else "its supervisor was killed"
    if seat.overran:
        reason = f"Ran longer than its timeout, and {reason}: the task runner ended both"
    finish = lost_finish(started, reason, leftovers=sorted(seat.strays), unkillable=unkillable)
    return {**finish, "cause": "timeout"} if seat.overran else finish
