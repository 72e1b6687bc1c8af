"""A supervisor: takes one order at a time from the runner, sees it through, writes down how it ended, then tells.

It is a fork of the runner and needs nothing of it afterwards. When the runner dies it finishes its run and ends.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import select
import signal
import socket

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.borrowed import can_borrow, can_give_back
from smart_cron.taskrunner.kernel import become_subreaper, boottime, epoch_microseconds, set_handler, start_ticks
from smart_cron.taskrunner.limits import USUAL_OPEN_FILES, unkept_limits
from smart_cron.taskrunner.order import spawn_plan, started_record
from smart_cron.taskrunner.plan import SpawnPlan, StartFailedError
from smart_cron.taskrunner.records import START_BYTES, HeldFile, RunTakenError, take
from smart_cron.taskrunner.run import Run, note_signal
from smart_cron.taskrunner.runfile import MAX_REASON, blank_finish, boot_id_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.cgroup import Home, RunGroup
    from smart_cron.taskrunner.protocol import Message, Order

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
GARBAGE_THRESHOLD = 20_000
# Above this much output, the kernel's high-water mark of our own memory is set back.
LARGE_OUTPUT_BYTES = 1 << 20


class RefusedError(Exception):
    """An order that is not started; `code` is for the engine, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Supervisor:
    """The whole life of a supervisor process, after the fork."""

    def __init__(self, control: socket.socket, *, runs_dir: str, incarnation: str, home: Home | None = None) -> None:
        """*home* is where the runner makes a cgroup for each run, where it has such a place."""
        self._control, self._home = control, home
        self._runs_dir, self.incarnation = runs_dir, incarnation
        self._stop_asked = False
        self._retiring = False
        self._wake, self._wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._self: Message = {}
        self._can_give_back = False

    def prepare(self) -> None:
        """Become the subreaper of what is to come, and answer signals as a supervisor does."""
        become_subreaper()
        set_handler(signal.SIGTERM, self._on_stop_signal)
        # Not ignored, since that would be inherited: handled, by nothing.
        for number in (signal.SIGINT, signal.SIGHUP):
            set_handler(number, note_signal)
        set_handler(signal.SIGCHLD, None)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft = USUAL_OPEN_FILES if hard == resource.RLIM_INFINITY else min(USUAL_OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self._can_give_back = can_give_back()
        # What was there at the fork is never garbage: leave its pages shared. A run makes no cycles to speak of.
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)
        self.introduce()
        _reset_high_water_mark()
        # A task's CPU limit is ours too while it is spawned, and our own time may be beyond it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGXCPU,))
        # The fork came with it blocked, so that it could not reach the runner's handler in here.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def introduce(self) -> None:
        """Find out what every `started` record says of its supervisor."""
        pid, boot_id = os.getpid(), boot_id_of(self.incarnation)
        self._self = {"supervisor_pid": pid, "supervisor_ticks": start_ticks(pid), "boot_id": boot_id}

    def close(self) -> None:
        """Let go of what the constructor took. Supervisors end without it."""
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        os.close(self._wake_writer)

    def _on_stop_signal(self, _number: int, _frame: object) -> None:
        self._stop_asked = True

    def serve(self) -> None:
        """Carry out orders until told to end, or until the runner is gone."""
        while not self._retiring and self.serve_one():
            pass

    def serve_one(self) -> bool:
        """Wait for one message and do what it says; False where it says to end."""
        ready = self._poll.poll()
        if self._stop_asked:
            return False
        if any(fd == self._wake for fd, _ in ready):
            _empty(self._wake)
        message = self._receive()
        if message is None:
            return True
        if message[:1] == protocol.ORDER:
            spare, _, order = message[1:].partition(b"\n")
            self._carry_out(protocol.unpacked(order), spare.decode() or None)
        return bool(message)

    def _receive(self) -> bytes | None:
        try:
            message = self._control.recv(protocol.PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""
        return message if message[:1] != protocol.PARCEL else self._receive_parcel()

    def _receive_parcel(self) -> bytes:
        _, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        with open(descriptors[0], "rb") as file:
            file.seek(0)
            return file.read()

    def _tell(self, kind: bytes, body: bytes) -> bool:
        try:
            self._control.send(kind + body, socket.MSG_NOSIGNAL)
        except OSError:
            self._retiring = True  # Nobody listens any more; what was done stands in the run file.
            return False
        return True

    def _carry_out(self, order: Order, spare: str | None) -> None:
        try:
            held = self._admit(order, spare)
        except RefusedError as refusal:
            self._tell(protocol.REFUSED, protocol.line(refused_event(order, refusal.code, str(refusal)))[:-1])
            return
        try:
            self._start_and_watch(order, held)
        finally:
            held.close()

    def _admit(self, order: Order, spare: str | None) -> HeldFile:
        # Here and not in the runner: as late as can be, so that a frozen supervisor starts nothing that is overdue.
        try:
            self._check_permission(order)
            return take(self._runs_dir, order["run_id"], spare)
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedError("invalid", f"the order cannot be read: {error!r}") from None
        except RunTakenError as taken:
            raise RefusedError("taken", f"the run is not started again: {taken}") from None
        except OSError as error:
            code = "space" if error.errno in NO_SPACE else "invalid"
            raise RefusedError(code, f"its run file cannot be made: {error.strerror}") from None

    def _check_permission(self, order: Order) -> None:
        if not protocol.is_run_id(order["run_id"]):
            raise RefusedError("invalid", "the run id holds more than letters, digits and dashes")
        if order["incarnation"] != self.incarnation:
            raise RefusedError("incarnation", "the run was claimed before a restart of this machine, or on another")
        late_by = boottime() - order["launch_deadline"]
        if late_by > 0:
            raise RefusedError("deadline", f"the run came {late_by:.1f} s after its launch deadline")

    def _start_and_watch(self, order: Order, held: HeldFile) -> None:
        try:
            plan = spawn_plan(order)
            plan.in_place = can_borrow(plan, can_give_back=self._can_give_back)
            fault = None
        except StartFailedError as failed:
            plan, fault = None, str(failed)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            plan, fault = None, f"the order cannot be read: {error!r}"
        if plan is None:
            started = self._write_started(order, held, None)
            self._finish(held, _start_failed(order, started, fault or ""))
            return
        plan.group = self._new_group(order)
        try:
            self._run(order, held, plan, self._write_started(order, held, plan.group))
        finally:
            if plan.group is not None:
                plan.group.remove()

    def _new_group(self, order: Order) -> RunGroup | None:
        if self._home is None:
            return None
        try:
            return self._home.make(order["run_id"], order["limits"])
        except OSError:
            return None  # Too many there, or taken from us: the walk has to do, and what it cannot keep is said.

    def _write_started(self, order: Order, held: HeldFile, group: RunGroup | None) -> Message:
        record = started_record(
            order, started_at=epoch_microseconds(), supervisor=self._self, unkept=unkept_limits(order, group)
        )
        if group is not None:
            record["cgroup"] = group.path
        body = protocol.to_json(record).encode()
        if len(body) > START_BYTES:
            record["output_path"], record["task"] = "", record["task"][:100]
            body = protocol.to_json(record).encode()
        held.append(body)
        return record

    def _run(self, order: Order, held: HeldFile, plan: SpawnPlan, started: Message) -> None:
        run = Run(order, self._poll, self._wake, self._control.fileno())
        try:
            run.begin(plan)
        except StartFailedError as failed:
            self._finish(held, _start_failed(order, started, str(failed)))
            return
        except OSError as error:
            self._finish(held, _start_failed(order, started, f"nothing could be started: {error.strerror}"))
            return
        run.watch(announce=lambda: self._announce(run, held, started), told_to_stop=self._told_to_stop)
        finish = run.finish_record()
        # In both records: a run that is over at once tells of its end alone.
        if unkept := started.get("unkept_limits"):
            finish["unkept_limits"] = unkept
        self._finish(held, finish, run)
        if run.output.total(1) > LARGE_OUTPUT_BYTES:
            _reset_high_water_mark()

    def _announce(self, run: Run, held: HeldFile, started: Message) -> None:
        spawned = {"event": "spawned", "pid": run.pid, "start_ticks": start_ticks(run.pid), "at": run.started_at}
        held.try_append(protocol.to_json(spawned).encode())
        news = {**started, "started_at": run.started_at, "pid": run.pid}
        self._tell(protocol.STARTED, protocol.to_json(news).encode())

    def _told_to_stop(self, fd: int) -> bool:
        if fd == self._wake:
            _empty(fd)
            return self._stop_asked
        return self._receive() == protocol.CANCEL

    def _finish(self, held: HeldFile, record: Message, run: Run | None = None) -> None:
        try:
            body, is_written = held.append_finish(record, sync=False), True
        except OSError:
            # A disk that failed under an open file takes nothing more: then the one who is told is all there is.
            body, is_written = held.fitted(record), False
        keeps = False
        if run is not None and run.has_children:
            # A supervisor with a child left is never used again.
            self._retiring = True
            keeps = run.order["keep_processes"]
        # The runner syncs the results of many before it passes them on. Without one, that is left to us.
        if not self._tell(protocol.KEEPING if keeps else self._last_word(), body) and is_written:
            held.sync()
        if keeps:
            self._keep()

    def _last_word(self) -> bytes:
        return protocol.RETIRING if self._stop_asked or self._retiring else protocol.FINISHED

    def _keep(self) -> None:
        # As their subreaper: were we to end, they would look like strays of a lost run.
        while not self._stop_asked:
            try:
                os.wait()
            except ChildProcessError:
                return


def refused_event(order: Order, code: str, reason: str) -> Message:
    """Return the event that says that an order was not started, and never will be."""
    return {
        "event": "refused",
        "run_id": order.get("run_id"),
        "execution_id": order.get("execution_id"),
        "code": code,
        "reason": reason[:MAX_REASON],
    }


def _start_failed(order: Order, started: Message, reason: str) -> Message:
    finish = blank_finish(order["run_id"], order["execution_id"], "start_failed", reason)
    finish["started_at"] = started["started_at"]
    return finish


def _empty(fd: int) -> None:
    try:
        os.read(fd, 512)
    except BlockingIOError:
        return


def _reset_high_water_mark() -> None:
    # A child's peak memory begins with its parent's peak; 5 sets ours back to what it is now.
    try:
        fd = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(fd, b"5")
    finally:
        os.close(fd)
