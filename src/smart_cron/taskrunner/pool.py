"""The pool of supervisors, as the runner sees them: one seat each."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import time

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.presence import PRESENCE_FD
from smart_cron.taskrunner.remains import main_process_lives
from smart_cron.taskrunner.supervisor import STOP_SIGNALS, Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.cgroup import Home

IDLE_SECONDS = 60.0
IDLE_KEPT = 2
# How long past its timeout and grace a supervisor may be silent before it counts as frozen: one that works may need 7 s
# for leftovers that cannot be killed.
FROZEN_SECONDS = 10.0


class Seat:
    """One supervisor process, and the run that it holds."""

    __slots__ = (
        "_socket", "fd", "free_since", "order", "overdue_at", "overdue_seconds", "overran", "pid", "run_id",
        "settle_at", "strays", "tries", "was_frozen",
    )  # fmt: skip

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid, self._socket, self.fd = pid, connection, connection.fileno()
        self.run_id: str | None = None
        self.order = b""
        self.tries = 0
        self.overdue_seconds = self.overdue_at = 0.0
        self.free_since = time.monotonic()
        self.was_frozen = self.overran = False
        # When its run is settled at the latest, once it is dead.
        self.settle_at = 0.0
        self.strays: set[str] = set()

    def occupy(self, run_id: str, order: bytes, overdue_seconds: float, *, tries: int) -> None:
        """Note which run it holds, and from when on its silence is not normal any more."""
        self.run_id, self.order, self.tries = run_id, order, tries
        self.overdue_seconds = overdue_seconds
        self.overdue_at = time.monotonic() + overdue_seconds + FROZEN_SECONDS

    def vacate(self) -> None:
        """Note that its run is over."""
        self.run_id, self.order, self.overdue_at = None, b"", 0.0
        self.free_since = time.monotonic()

    def send_order(self, spare: str | None, order: bytes) -> bool:
        """Hand it an order; False where it does not take it."""
        message = protocol.ORDER + (spare or "").encode() + b"\n" + order
        if len(message) <= protocol.PACKET_BYTES:
            return self.send(message)
        fd = os.memfd_create("order", os.MFD_CLOEXEC)
        with open(fd, "wb") as file:
            file.write(message)
            file.flush()
            # Two packets: the first one says that the next brings a descriptor.
            return self.send(protocol.PARCEL) and self._send_descriptor(fd)

    def _send_descriptor(self, fd: int) -> bool:
        try:
            socket.send_fds(self._socket, [protocol.PARCEL], [fd], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def send(self, message: bytes) -> bool:
        """Send without ever waiting; False where it cannot be sent."""
        try:
            self._socket.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def receive(self) -> bytes | None:
        """Return one message, nothing at the end, None where there is none now."""
        try:
            return self._socket.recv(protocol.PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def kill(self) -> None:
        """Kill the process. It is our child and not reaped yet, so its pid is its own."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self._socket.close()


class Pool:
    """All supervisors: those with a run, those that wait for one, those on their way out."""

    def __init__(self, *, runs_dir: str, incarnation: str, home: Home | None = None) -> None:
        self._runs_dir, self._incarnation, self._home = runs_dir, incarnation, home
        self.by_fd: dict[int, Seat] = {}
        self.by_pid: dict[int, Seat] = {}
        self._free: list[Seat] = []
        self._epoll: select.epoll | None = None

    def attach(self, epoll: select.epoll) -> None:
        """Have the loop wait for what supervisors tell."""
        self._epoll = epoll

    def warm_up(self) -> None:
        """Make the few supervisors that are always kept."""
        # The forks share what is there now; a collection in one of them would copy it.
        gc.collect()
        gc.freeze()
        self._free.extend(self._fork() for _ in range(IDLE_KEPT))

    def take_seat(self) -> Seat:
        """Return a supervisor without a run, the one that worked last, or a new one; raise OSError."""
        while self._free:
            seat = self._free.pop()
            if self.hears(seat):
                return seat
        return self._fork()

    def put_back(self, seat: Seat) -> None:
        """Let it have another run."""
        seat.vacate()
        self._free.append(seat)

    def retire(self, seat: Seat) -> None:
        """Give it no other run. It ends by itself once it may."""
        seat.vacate()
        self.deafen(seat)

    def retire_idle(self) -> None:
        """Send home all that have nothing to do."""
        while self._free:
            self.retire(self._free.pop())

    def deafen(self, seat: Seat) -> None:
        """Close the line to a supervisor: an idle one ends by it, one with a run goes on alone."""
        if self.hears(seat):
            assert self._epoll is not None
            del self.by_fd[seat.fd]
            self._epoll.unregister(seat.fd)
            seat.close()

    def hears(self, seat: Seat) -> bool:
        """Whether the line to it is open. Its number alone says nothing: a later supervisor's line may have it."""
        return self.by_fd.get(seat.fd) is seat

    def forget(self, seat: Seat) -> None:
        """Strike out a supervisor that has ended."""
        self.deafen(seat)
        self.by_pid.pop(seat.pid, None)
        if seat in self._free:
            self._free.remove(seat)

    def trim(self, now: float) -> None:
        """Send home those that have waited long, and keep a few."""
        while len(self._free) > IDLE_KEPT and now - self._free[0].free_since > IDLE_SECONDS:
            self.retire(self._free.pop(0))

    def kill_overdue(self, now: float) -> None:
        """Kill supervisors that should have ended their run long ago: frozen ones enforce no timeout."""
        for seat in self.by_fd.values():
            if seat.run_id is not None and now > seat.overdue_at and not seat.was_frozen:
                seat.was_frozen = True
                # Asked before the kill: then it is certain that the task itself ran longer than it may.
                seat.overran = main_process_lives(self._runs_dir, seat.run_id, seat.pid)
                seat.kill()

    def _fork(self) -> Seat:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._live_as_supervisor(theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        return self.seat(pid, ours)

    def seat(self, pid: int, connection: socket.socket) -> Seat:
        """Take in a supervisor: hear what it tells, and know it when it ends."""
        assert self._epoll is not None
        seat = Seat(pid, connection)
        self.by_fd[seat.fd] = self.by_pid[pid] = seat
        self._epoll.register(seat.fd, select.EPOLLIN)
        return seat

    def _live_as_supervisor(self, control: socket.socket) -> None:
        """Never returns. The runner's objects stay referenced by our callers, so that none closes a descriptor."""
        try:
            signal.set_wakeup_fd(-1)
            # Everything of the runner's: its clients, its lock, the lines to other supervisors.
            os.closerange(PRESENCE_FD + 1, control.fileno())
            os.closerange(control.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
            supervisor = Supervisor(control, runs_dir=self._runs_dir, incarnation=self._incarnation, home=self._home)
            supervisor.prepare()
            supervisor.serve()
        finally:
            os._exit(0)
