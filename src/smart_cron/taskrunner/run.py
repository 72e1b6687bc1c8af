"""One run, from its start to its end: a small machine of states and events around one `poll`.

The main process's exit settles the result; what it leaves behind is given a moment, then asked to end, then killed.
The supervisor is the subreaper of the tree, so every stray ends up as its child, and "nothing is left" is what
`waitpid` says.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from enum import Enum

from smart_cron.taskrunner.kernel import epoch_microseconds
from smart_cron.taskrunner.limits import SAMPLE_SECONDS, resident_bytes
from smart_cron.taskrunner.output import STDERR, STDOUT, OutputWriter
from smart_cron.taskrunner.plan import SpawnPlan
from smart_cron.taskrunner.spawn import spawn
from smart_cron.taskrunner.tree import descendants, kill_children, kill_tree, terminate_tree
from smart_cron.taskrunner.urgency import hurry, slow_down
from smart_cron.taskrunner.usage import UsageLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

    from smart_cron.taskrunner.cgroup import RunGroup
    from smart_cron.taskrunner.protocol import Message, Order

CHUNK_BYTES = 65_536
# A run that is over sooner is told by its end alone.
ANNOUNCE_SECONDS = 0.05
# Orphans are reaped this often while the main process runs.
REAP_SECONDS = 5.0
# A child that is on its way out when the main process exits is no leftover.
LINGER_SECONDS = 0.05
LEFTOVER_GRACE_SECONDS = 2.0
SWEEP_SECONDS = 0.02
SWEEP_ROUNDS = 50
# Zombies may come as fast as they are reaped: never all of them in one go.
REAPED_AT_ONCE = 1000
KILL_PATIENCE_SECONDS = 5.0
DRAIN_SECONDS = 0.5
DRAIN_BYTES = 2 << 20
MAX_NAMES = 20
INPUT = select.POLLIN


class State(Enum):
    """Where a run stands."""

    __hash__ = object.__hash__  # Enum's own is Python code.

    RUNNING = 0
    LINGERING = 1  # the main process has exited, something of it has not
    ENDING = 2  # SIGTERM was sent
    KILLING = 3  # SIGKILL is sent, again and again
    OVER = 4


class Event(Enum):
    """What can happen to a run."""

    __hash__ = object.__hash__

    MAIN_EXITED = 0
    CHILD_EXITED = 1
    STOP = 2
    DEADLINE = 3
    MEMORY = 4


class Run:
    """A run that this process supervises. `begin`, then `watch`, then `finish_record`."""

    def __init__(self, order: Order, poll: select.poll, wake_fd: int, control_fd: int) -> None:
        """*poll* is the supervisor's: it knows the two descriptors that wake it between runs too."""
        limits = order["limits"]
        self.order = order
        self.state = State.RUNNING
        self.cause = "exited"
        self.started_at = epoch_microseconds()
        self.output = OutputWriter(order["output_path"], limits["output_bytes"])
        self._usage = UsageLog(order["output_path"])
        self.leftovers: list[str] = []
        self.unkillable: list[str] = []
        self.has_children = False
        self.pid = 0
        self._status: int | None = None
        self._began = time.monotonic()
        self._ended = self._began
        self._completed_at = self.started_at
        self._cpu_seconds = 0.0
        self._memory_peak = 0
        self._memory_limit = limits.get("memory_bytes")
        self._group: RunGroup | None = None
        self._wrapper = 0
        self._deadline = self._began + order["timeout_seconds"]
        self._kill_until = 0.0
        self._tick_at = self._began + ANNOUNCE_SECONDS
        self._announce: Callable[[], None] | None = None
        self._wake_fd, self._control_fd = wake_fd, control_fd
        self._pidfd = -1
        self._watches_children = False
        self._streams: dict[int, int] = {}
        self._poll = poll

    def begin(self, plan: SpawnPlan) -> None:
        """Start the main process; raise StartFailedError where that cannot be done."""
        out, plan.stdout = os.pipe2(os.O_CLOEXEC)
        self._streams[out] = STDOUT
        plan.stderr = plan.stdout
        try:
            if not self.order["merge_output"]:
                err, plan.stderr = os.pipe2(os.O_CLOEXEC)
                self._streams[err] = STDERR
            plan.stdin = _stdin_file(self.order["stdin"])
            self._began = time.monotonic()
            self.started_at = epoch_microseconds()
            self.pid = spawn(plan)
            self._group, self._wrapper = plan.group, self.pid if plan.wrapped else 0
            if self._group is not None and self._group.bounds_memory:
                self._memory_limit = None  # The kernel's business.
        except BaseException:
            for fd in self._streams:
                os.close(fd)
            self._streams.clear()
            raise
        finally:
            os.close(plan.stdout)
            if plan.stderr != plan.stdout:
                os.close(plan.stderr)
            if plan.stdin is not None:
                os.close(plan.stdin)
        self._deadline = self._began + self.order["timeout_seconds"]
        self._tick_at = self._began + ANNOUNCE_SECONDS

    def watch(self, *, announce: Callable[[], None], told_to_stop: Callable[[int], bool]) -> None:
        """Stay until the run is over and its processes are gone, or known to be unkillable.

        *announce* is called once if the run is not over at once. *told_to_stop* is asked when the control socket or
        the signal pipe (whose descriptor it gets) has something, and says whether the run shall end.
        """
        self._announce = announce
        self._pidfd = os.pidfd_open(self.pid)
        for fd in (*self._streams, self._pidfd):
            self._poll.register(fd, INPUT)
        try:
            while self.state is not State.OVER:
                self._wait(told_to_stop)
            if self._streams:
                self._drain()
        finally:
            slow_down()
            self._announce = None  # It refers to us: a cycle, for the collector, of which there is almost none here.
            self._close_streams()
            if self._pidfd != -1:
                self._poll.unregister(self._pidfd)
                os.close(self._pidfd)
            if self._watches_children:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.output.close()
            self._usage.close()

    def _wait(self, told_to_stop: Callable[[int], bool]) -> None:
        wait = min(self._deadline, self._tick_at) - time.monotonic()
        # Rounded up: poll counts whole milliseconds, and waking early would only mean waiting again.
        for fd, event in self._poll.poll(int(wait * 1000) + 1 if wait > 0 else 0):
            if fd in self._streams:
                self._read(fd, event)
            elif fd == self._pidfd:
                self._on(Event.MAIN_EXITED)
            elif fd == self._control_fd and event & ~INPUT:
                # The runner is gone. The run goes on, and its file will tell.
                self._poll.unregister(fd)
                self._control_fd = -1
            else:
                if told_to_stop(fd):
                    self._on(Event.STOP)
                if fd == self._wake_fd:
                    self._on(Event.CHILD_EXITED)
        now = time.monotonic()
        if now >= self._tick_at:
            self._tick(now)
        if now >= self._deadline:
            self._on(Event.DEADLINE)

    def _on(self, event: Event) -> None:
        if self.state is not State.OVER:
            self._table[self.state, event](self)

    # Output

    def _read(self, fd: int, event: int) -> None:
        data = os.read(fd, CHUNK_BYTES) if event & INPUT else b""
        if data:
            self.output.write(self._streams[fd], data, int((time.monotonic() - self._began) * 1000))
            return
        self._poll.unregister(fd)
        os.close(fd)
        del self._streams[fd]

    def _drain(self) -> None:
        # What is in the pipes already; a process that was left there on purpose may go on printing for ever.
        give_up_at = time.monotonic() + DRAIN_SECONDS
        enough = self.output.total(STDOUT) + self.output.total(STDERR) + DRAIN_BYTES
        while self._streams and time.monotonic() < give_up_at:
            ready = [(fd, event) for fd, event in self._poll.poll(0) if fd in self._streams]
            for fd, event in ready:
                self._read(fd, event)
            if not ready or self.output.total(STDOUT) + self.output.total(STDERR) > enough:
                return

    def _close_streams(self) -> None:
        for fd in self._streams:
            self._poll.unregister(fd)
            os.close(fd)
        self._streams.clear()

    # Time

    def _tick(self, now: float) -> None:
        if self._announce is not None:
            if self._status is None:
                self._announce()
            self._announce = None
        self._tick_at = now + REAP_SECONDS
        if self._memory_limit is not None and self._status is None:
            self._tick_at = now + SAMPLE_SECONDS
            if resident_bytes(os.getpid()) > self._memory_limit:
                self._on(Event.MEMORY)
        if self._status is None:
            self._reap_orphans()
            self._look(now - self._began)

    def _look(self, elapsed: float) -> None:
        if elapsed >= self._usage.due_after:
            self.output.begin()
            self._usage.look(elapsed, ended_cpu_seconds=self._cpu_seconds)

    def _reap_orphans(self) -> None:
        # Looking first, not taking: the main process is left to its pidfd.
        for _ in range(REAPED_AT_ONCE):
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid == self.pid:
                return
            self._account_for(os.wait4(found.si_pid, 0)[2])

    # What the table's entries do

    def _main_exited(self) -> None:
        _, self._status, usage = os.wait4(self.pid, 0)
        self._ended = time.monotonic()
        self._completed_at = epoch_microseconds()
        self._poll.unregister(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._account_for(usage)
        if self._nothing_is_left():
            self.state = State.OVER
        elif self.state is State.RUNNING:
            self.state = State.LINGERING
            self._deadline = self._ended + LINGER_SECONDS
            self._watch_children()

    def _child_exited(self) -> None:
        if self._status is None:
            self._reap_orphans()
        elif self._nothing_is_left():
            self.state = State.OVER

    def _timed_out(self) -> None:
        self.cause = "timeout"
        self._end(self.order["kill_grace_seconds"])

    def _stopped(self) -> None:
        self.cause = "killed"
        self._end(self.order["kill_grace_seconds"])

    def _out_of_memory(self) -> None:
        self.cause = "oom"
        self._kill()

    def _lingered(self) -> None:
        found = descendants(os.getpid())
        self.leftovers = [str(process) for process in found[:MAX_NAMES]]
        if self.order["keep_processes"]:
            self._nothing_is_left()
            self.state = State.OVER
            return
        self._end(min(self.order["kill_grace_seconds"], LEFTOVER_GRACE_SECONDS))

    def _end(self, grace: float) -> None:
        self.state = State.ENDING
        self._deadline = time.monotonic() + grace
        self._watch_children()
        # Who ends the sandbox ends what is in it, without any grace.
        terminate_tree(os.getpid(), spare=self._wrapper)

    def _kill(self) -> None:
        self.state = State.KILLING
        hurry()
        if self._group is not None:
            self._group.kill()
        self._watch_children()
        self._kill_until = time.monotonic() + KILL_PATIENCE_SECONDS
        self._sweep()

    def _sweep(self) -> None:
        # Whose parent is killed becomes our own child: round after round, and no slower than they fork.
        for _ in range(SWEEP_ROUNDS):
            kill_children()
            if self._status is None:
                self._reap_orphans()
            elif self._nothing_is_left():
                self.state = State.OVER
                return
        found = kill_tree()
        now = time.monotonic()
        self._deadline = now + SWEEP_SECONDS
        # Nothing found, and not over yet: what was killed is on its way out.
        if found and now > self._kill_until:
            self.unkillable = [str(process) for process in found[:MAX_NAMES]]
            self.has_children = True
            self.state = State.OVER

    def _ignore(self) -> None:
        pass

    def _watch_children(self) -> None:
        # Only now: while all is well, a signal for each orphan would be a price without a use.
        signal.signal(signal.SIGCHLD, note_signal)
        self._watches_children = True
        if self._status is not None and self._nothing_is_left():
            self.state = State.OVER

    def _nothing_is_left(self) -> bool:
        self.has_children = True
        try:
            for _ in range(REAPED_AT_ONCE):
                found = os.wait4(-1, os.WNOHANG)
                if found[0] == 0:
                    return False
                self._account_for(found[2])
        except ChildProcessError:
            self.has_children = False
        return not self.has_children

    def _account_for(self, usage: resource.struct_rusage) -> None:
        self._cpu_seconds += usage.ru_utime + usage.ru_stime
        # An upper bound: a child begins with what its parent, the supervisor, had resident (some 12 MB).
        self._memory_peak = max(self._memory_peak, usage.ru_maxrss * 1024)

    # Every pair has an answer.
    _table: ClassVar[dict[tuple[State, Event], Callable[[Run], None]]] = {
        (State.RUNNING, Event.MAIN_EXITED): _main_exited,
        (State.RUNNING, Event.CHILD_EXITED): _child_exited,
        (State.RUNNING, Event.STOP): _stopped,
        (State.RUNNING, Event.DEADLINE): _timed_out,
        (State.RUNNING, Event.MEMORY): _out_of_memory,
        # The result stands: neither a stop nor a deadline changes it, the rest is clearing away.
        (State.LINGERING, Event.MAIN_EXITED): _ignore,
        (State.LINGERING, Event.CHILD_EXITED): _child_exited,
        (State.LINGERING, Event.STOP): _lingered,
        (State.LINGERING, Event.DEADLINE): _lingered,
        (State.LINGERING, Event.MEMORY): _ignore,
        (State.ENDING, Event.MAIN_EXITED): _main_exited,
        (State.ENDING, Event.CHILD_EXITED): _child_exited,
        (State.ENDING, Event.STOP): _ignore,
        (State.ENDING, Event.DEADLINE): _kill,
        (State.ENDING, Event.MEMORY): _kill,
        (State.KILLING, Event.MAIN_EXITED): _main_exited,
        (State.KILLING, Event.CHILD_EXITED): _child_exited,
        (State.KILLING, Event.STOP): _ignore,
        (State.KILLING, Event.DEADLINE): _sweep,
        (State.KILLING, Event.MEMORY): _ignore,
    }

    def _ask_group(self, group: RunGroup) -> str | None:
        """Take over what the kernel counted for the run; return what is to be said of it."""
        # Exact, where what our children report is a bound; and the page cache of what it read and wrote is in it.
        self._memory_peak = group.memory_peak() or self._memory_peak
        if self.cause == "exited" and self._status != 0 and group.ran_out_of_memory():
            self.cause = "oom"
        refused = group.refused_processes()
        return f"its limit of processes stood against {refused} forks" if refused else None

    def finish_record(self) -> Message:
        """Return the `finished` record. Call it when the run is over."""
        status = self._status
        said = self._ask_group(self._group) if self._group is not None else None
        exited = status is not None and os.WIFEXITED(status)
        output = self.output
        if output.problem:
            said = f"its output could not be kept whole: {output.problem}"[:1000]
        return {
            "event": "finished",
            "run_id": self.order["run_id"],
            "execution_id": self.order["execution_id"],
            "cause": self.cause,
            "reason": said or "",
            "started_at": self.started_at,
            "completed_at": self._completed_at,
            "duration": round(self._ended - self._began, 6),
            "exit_code": os.WEXITSTATUS(status) if status is not None and exited else None,
            "term_signal": os.WTERMSIG(status) if status is not None and not exited else None,
            "memory_peak_bytes": self._memory_peak,
            "cpu_seconds": round(self._cpu_seconds, 6),
            "stdout_bytes": output.total(STDOUT),
            "stderr_bytes": output.total(STDERR),
            "output_sha256": output.sha256(),
            "output_truncated": output.truncated,
            "output_path": output.path,
            "leftovers": self.leftovers,
            "unkillable": self.unkillable,
        }


def note_signal(_number: int, _frame: object) -> None:
    """Nothing to do here: the signal's number in the wake-up pipe is what wakes the poll."""


def _stdin_file(text: str | None) -> int | None:
    if text is None:
        return None
    # A file in memory, not a pipe: a task that never reads can neither block us nor send us SIGPIPE.
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        data = memoryview(text.encode(errors="surrogateescape"))
        while data:
            data = data[os.write(fd, data) :]
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)
