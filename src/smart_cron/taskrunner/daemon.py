"""Becoming the task runner: a process that has nothing of whoever started it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import resource
import signal
import sys
import traceback

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.clients import ClientDesk
from smart_cron.taskrunner.delegation import settle_in
from smart_cron.taskrunner.directories import own_directory
from smart_cron.taskrunner.journal import open_journal
from smart_cron.taskrunner.kernel import become_subreaper, boot_id
from smart_cron.taskrunner.notify import READY as READINESS
from smart_cron.taskrunner.notify import STOPPING, notify_systemd
from smart_cron.taskrunner.pool import Pool
from smart_cron.taskrunner.presence import declare
from smart_cron.taskrunner.records import straighten_names
from smart_cron.taskrunner.rehearsal import rehearse
from smart_cron.taskrunner.runfile import incarnation
from smart_cron.taskrunner.runner import Runner
from smart_cron.taskrunner.spares import Spares

UMASK = 0o027
# What the starter waits for on the pipe that it gave us as standard output.
READY = b"ready\n"
OCCUPIED = b"occupied\n"
OPEN_FILES = 65_536
# Limits that a starter may have lowered, and that no task shall inherit.
INHERITED_LIMITS = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_DATA,
    resource.RLIMIT_STACK,
    resource.RLIMIT_AS,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_MEMLOCK,
)
USUAL_STACK_BYTES = 8 << 20


def start_runner(*, state_dir: str, run_dir: str, version: str, idle_seconds: float, foreground: bool) -> None:
    """Turn this process into the task runner. Only faults of the start are raised; `foreground` skips the forks."""
    if not foreground:
        _leave_starter()
    _leave_surroundings()
    own_directory(state_dir)
    runs_dir = f"{state_dir}/runs"
    own_directory(runs_dir)
    # First of all: it takes a fixed descriptor.
    alone = declare(f"{state_dir}/taskrunners.lock")
    lock = _take_lock(f"{state_dir}/taskrunner-{version}.lock")
    if lock is None:
        os.write(1, OCCUPIED)
        return
    home = settle_in()
    become_subreaper()
    identity = incarnation(state_dir)
    straighten_names(runs_dir, boot_id=boot_id())
    journal = open_journal(state_dir, runs_dir)
    desk = ClientDesk(protocol.socket_path(run_dir, state_dir, version))
    desk.listen()
    _say_ready()
    notify_systemd(READINESS)
    rehearse(run_dir, identity)
    _serve(
        Runner(
            desk=desk,
            pool=Pool(runs_dir=runs_dir, incarnation=identity, home=home),
            spares=Spares(runs_dir, alone=alone),
            journal=journal,
            runs_dir=runs_dir,
            idle_seconds=idle_seconds,
            when_stopping=lambda: _make_room(lock),
        ),
        f"{state_dir}/taskrunner-crash.txt",
    )


def _make_room(lock: int) -> None:
    os.close(lock)
    notify_systemd(STOPPING)


def _leave_starter() -> None:
    # Twice: the first child leads a new session, the second can never get a terminal.
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)


def _leave_surroundings() -> None:
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.umask(UMASK)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is signal.SIG_IGN and number not in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _reset_limits()
    if os.geteuid() == 0:
        # Not even root may in some containers; then the starter's stay, and a run as another user fails by itself.
        with contextlib.suppress(PermissionError):
            os.setgroups(os.getgrouplist(pwd.getpwuid(0).pw_name, os.getegid()))
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)


def _reset_limits() -> None:
    is_root = os.geteuid() == 0
    for kind in INHERITED_LIMITS:
        hard = resource.RLIM_INFINITY if is_root else resource.getrlimit(kind)[1]
        soft = USUAL_STACK_BYTES if kind == resource.RLIMIT_STACK and hard == resource.RLIM_INFINITY else hard
        _set_limit(kind, soft, hard)
    _set_limit(resource.RLIMIT_CORE, 0, resource.getrlimit(resource.RLIMIT_CORE)[1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if is_root and hard != resource.RLIM_INFINITY:
        hard = max(hard, OPEN_FILES)
    _set_limit(resource.RLIMIT_NOFILE, OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard), hard)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    try:
        resource.setrlimit(kind, (soft, hard))
    except (ValueError, OSError):
        return  # Not even root may everywhere (in a container, for one): the starter's limit stays.


def _take_lock(path: str) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _say_ready() -> None:
    os.write(1, READY)
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _serve(runner: Runner, crash_path: str) -> None:
    try:
        runner.run()
    except BaseException:  # noqa: BLE001 - the last handler of the process
        # Standard error is the null device. Runs go on without a runner; whoever looks for the reason finds it here.
        fd = os.open(crash_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.write(fd, traceback.format_exc().encode(errors="replace"))
        os._exit(1)
    sys.exit(0)
