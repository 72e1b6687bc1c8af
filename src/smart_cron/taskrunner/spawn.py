"""Starting a task's main process in the two ways there are.

`posix_spawn` does it at the price that C pays (vfork), and covers what every task gets: a new session, its pipes, its
directory and umask, an empty signal mask. Another user, kernel limits and nice it only hands down: where a supervisor
can get rid of them again, it takes them on itself for that moment (`borrowed`). Else a fork has to do it, at the price
of copying the page tables of a Python process.
"""

from __future__ import annotations

import errno
import os
import resource
import signal

from smart_cron.taskrunner.borrowed import has_room_for_spawn, spawn_borrowing
from smart_cron.taskrunner.limits import within_reach
from smart_cron.taskrunner.plan import (
    DEFAULTED_SIGNALS,
    DIRECTORY,
    EXECUTE,
    LIMITS,
    SESSION,
    UNSUITABLE,
    USER,
    SpawnPlan,
    StartFailedError,
    failure_words,
)


def spawn(plan: SpawnPlan) -> int:
    """Start the main process as the leader of a new session and return its pid; raise StartFailedError."""
    try:
        if plan.group is None:
            return _spawn(plan)
        with plan.group:
            return _spawn(plan)
    except ValueError:
        raise StartFailedError(UNSUITABLE) from None


def _spawn(plan: SpawnPlan) -> int:
    return spawn_borrowing(plan) if plan.in_place and has_room_for_spawn(plan) else spawn_forked(plan)


def spawn_forked(plan: SpawnPlan) -> int:
    """Start the main process by a fork that becomes the task step by step; raise StartFailedError."""
    # Closed by exec: end of file says that the task runs, two numbers say which step failed and how.
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
        if pid == 0:
            _become_task(plan, writer)
        os.close(writer)
        writer = -1
        failure = os.read(reader, 64)
    except OSError as error:
        raise StartFailedError(f"no process could be made: {error.strerror}") from None
    finally:
        os.close(reader)
        if writer != -1:
            os.close(writer)
    if failure:
        os.waitpid(pid, 0)
        step, code = failure.split()
        raise StartFailedError(failure_words(int(step), int(code), plan))
    return pid


def _become_task(plan: SpawnPlan, writer: int) -> None:
    step = SESSION
    try:
        os.setsid()
        _take_descriptors(plan)
        step = LIMITS
        _take_limits(plan)
        step = USER
        _take_identity(plan)
        step = DIRECTORY
        # As that user: root may enter directories that the task itself could not.
        os.chdir(plan.directory)
        os.umask(plan.umask)
        _reset_signals()
        step = EXECUTE
        os.execve(plan.argv[0], plan.argv, plan.environment)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(writer, b"%d %d" % (step, error.errno or errno.EIO))
    except ValueError:
        os.write(writer, b"%d 0" % step)
    except BaseException:  # noqa: BLE001 - nothing may escape from a fork
        os.write(writer, b"%d %d" % (step, errno.EINVAL))
    finally:
        os._exit(127)


def _take_descriptors(plan: SpawnPlan) -> None:
    if plan.stdin is not None:
        os.dup2(plan.stdin, 0)
    os.dup2(plan.stdout, 1)
    os.dup2(plan.stderr, 2)


def _take_limits(plan: SpawnPlan) -> None:
    for kind, wanted in plan.limits:
        resource.setrlimit(kind, within_reach(kind, wanted))
    if plan.nice > 0 or (plan.nice < 0 and os.geteuid() == 0):
        os.setpriority(os.PRIO_PROCESS, 0, plan.nice)


def _take_identity(plan: SpawnPlan) -> None:
    account = plan.account
    if account is None:
        return
    # The order is a matter of security: after setuid the others would be refused, or forgotten.
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    wrong = (
        os.getresuid() != (account.uid,) * 3
        or os.getresgid() != (account.gid,) * 3
        or set(os.getgroups()) != set(account.groups)
        or (account.uid != 0 and _can_become_root())
    )
    if wrong:
        raise OSError(errno.EPERM, "the old identity was kept")


def _can_become_root() -> bool:
    try:
        os.setuid(0)
    except PermissionError:
        return False
    return True


def _reset_signals() -> None:
    for number in DEFAULTED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
