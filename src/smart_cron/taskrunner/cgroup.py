"""A cgroup of its own for each run, where the task runner's cgroup is a delegated one of version 2: cgroups(7).

The kernel then keeps the limits of memory and processes, counts what the run used, and kills all of it at one word, a
process included that shed its parents, its session and its environment. Without one, the walk of `tree` does the work.

    home/                 the cgroup that was handed to the task runner
    home/supervisor/      the task runner and all supervisors: a cgroup that hands on limits may hold no process itself
    home/run-RUN ID/      one run

Which cgroup that is, `delegation` finds out.

What was run: making, entering, killing, counting processes and removing, on a hierarchy without controllers. Limits,
`memory.peak` and the counters of out-of-memory kills were tried on directories of plain files only.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

LEAF = "supervisor"
RUN = "run-"
FILE_BYTES = 65_536


class Home:
    """The delegated cgroup, and which limits the kernel keeps in those of its runs."""

    __slots__ = ("controllers", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.controllers = frozenset((read(f"{path}/cgroup.subtree_control") or "").split())

    def make(self, run_id: str, limits: dict[str, Any]) -> RunGroup:
        """Make the cgroup of a run with its limits; raise OSError where that cannot be done."""
        group = RunGroup(f"{self.path}/{RUN}{run_id}", self.controllers)
        os.mkdir(group.path, 0o755)
        try:
            group.limit(limits)
        except OSError:
            group.remove()
            raise
        return group

    def tidy(self) -> None:
        """Remove the cgroups of runs that are over: who died between a run and this left them."""
        for name in _entries(self.path):
            if name.startswith(RUN):
                RunGroup(f"{self.path}/{name}", self.controllers).remove()


class RunGroup:
    """The cgroup of one run. Inside a `with` this process is in it, and so is whatever it starts there."""

    __slots__ = ("_holds_us", "_memory", "_processes", "bounds_memory", "keeps", "path")

    def __init__(self, path: str, controllers: frozenset[str]) -> None:
        self.path, self.keeps = path, controllers
        self._memory: int | None = None
        self._processes: int | None = None
        # Whether the kernel keeps the limit of memory, so that nobody need sample it.
        self.bounds_memory = False
        self._holds_us = False

    def limit(self, limits: dict[str, Any]) -> None:
        """Have the kernel keep what it can of an order's `limits`; raise OSError where it refuses."""
        memory, processes = limits.get("memory_bytes"), limits.get("processes")
        if memory is not None and "memory" in self.keeps:
            # When we are out again: we are larger than most that begins here, and would be picked to die for it.
            self._memory = memory
        if processes is not None and "pids" in self.keeps:
            self._processes = processes
            # One more, while we are in it ourselves.
            write(f"{self.path}/pids.max", str(processes + 1))

    def __enter__(self) -> RunGroup:  # noqa: PYI034 - `Self` would load `typing`
        write(f"{self.path}/cgroup.procs", "0")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Refused: never seen. What was started lives; it is ended one by one then, and not together with us.
        self._holds_us = not try_to_write(f"{os.path.dirname(self.path)}/{LEAF}/cgroup.procs", "0")
        if self._processes is not None:
            try_to_write(f"{self.path}/pids.max", str(self._processes))
        if self._memory is not None and not self._holds_us:
            self._limit_memory(self._memory)

    def _limit_memory(self, limit: int) -> None:
        # All of the run or nothing: what is left of a run whose one process was picked is of no use.
        try_to_write(f"{self.path}/memory.oom.group", "1")
        # Missing where the kernel has no swap.
        try_to_write(f"{self.path}/memory.swap.max", "0")
        self.bounds_memory = try_to_write(f"{self.path}/memory.max", str(limit))

    def processes(self) -> list[int]:
        """Return the pids in it and below it, zombies left out."""
        pids = [int(pid) for pid in (read(f"{self.path}/cgroup.procs") or "").split()]
        for name in _folders(self.path):
            pids += RunGroup(f"{self.path}/{name}", self.keeps).processes()
        return pids

    def kill(self) -> bool:
        """Kill all that is in it at once; False where this kernel (before 5.14) has no word for it.

        Then who walks the tree kills them one by one, after this has frozen them: none of them forks any more.
        """
        if self._holds_us:
            return False
        if try_to_write(f"{self.path}/cgroup.kill", "1"):
            return True
        try_to_write(f"{self.path}/cgroup.freeze", "1")
        return False

    def memory_peak(self) -> int | None:
        """Return the most memory that it held at a time, in bytes, or None where the kernel does not count it."""
        text = read(f"{self.path}/memory.peak")
        return int(text) if text and text.strip().isdigit() else None

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed something in it for its limit of memory."""
        return _count(read(f"{self.path}/memory.events"), "oom_kill") > 0

    def refused_processes(self) -> int:
        """Return how often its limit of processes stood against a fork."""
        return _count(read(f"{self.path}/pids.events"), "max")

    def remove(self) -> bool:
        """Remove it with what the run made below it; False where something lives there still."""
        for name in _folders(self.path):
            RunGroup(f"{self.path}/{name}", self.keeps).remove()
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def group_of_run(path: str | None, run_id: str) -> RunGroup | None:
    """Return the cgroup at *path*, which a run file names, or None where it is gone, or is not this run's."""
    if path is None or os.path.basename(path) != f"{RUN}{run_id}" or not os.path.exists(f"{path}/cgroup.procs"):
        return None
    return RunGroup(path, frozenset())


def _count(events: str | None, key: str) -> int:
    for line in (events or "").splitlines():
        name, _, number = line.partition(" ")
        if name == key and number.isdigit():
            return int(number)
    return 0


def _entries(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _folders(path: str) -> list[str]:
    return [name for name in _entries(path) if os.path.isdir(f"{path}/{name}")]


def read(path: str) -> str | None:
    """Return what a file of the hierarchy says, or None where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(fd, FILE_BYTES):
            parts.append(part)
        return b"".join(parts).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(fd)


def write(path: str, text: str) -> None:
    """Tell the kernel something by one write; raise OSError where it refuses."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def try_to_write(path: str, text: str) -> bool:
    """Tell the kernel something; False where it refuses."""
    try:
        write(path, text)
    except OSError:
        return False
    return True
