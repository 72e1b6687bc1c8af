"""Starting a task by a supervisor that takes on the task's user, limits and nice for the moment of the spawn.

The process inherits them, so nothing has to run between fork and exec, and the spawn costs what a plain one does.

The supervisor takes the user's real and effective ids and keeps 0 as its saved one, by which it comes back. `execve`
copies the effective id over the saved one and, with no id left that is 0, drops all capabilities: the task has the one
identity and no way back (execve(2), capabilities(7)). For this moment the user may signal the supervisor, and nothing
else of it: that its saved id is another forbids ptrace. Who kills it loses their own run, as with a fork.

A hard limit cannot be given back without a privilege that root in a container lacks, so only the soft ones are taken,
which the task has from its first instruction. The hard ones are set on it right after the spawn, as that user.
"""

from __future__ import annotations

import errno
import os
import resource

from smart_cron.taskrunner.kernel import drop_ambient_capabilities
from smart_cron.taskrunner.plan import (
    DEFAULTED_SIGNALS,
    DIRECTORY,
    EXECUTE,
    LIMITS,
    USER,
    Account,
    SpawnPlan,
    StartFailedError,
    failure_words,
)
from smart_cron.taskrunner.tree import descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.limits import Limits

    # Real, effective and saved user id; the same of the group; all further groups.
    Identity = tuple[tuple[int, int, int], tuple[int, int, int], list[int]]

# The spawn takes our descriptors' numbers: a supervisor holds some dozen.
ENOUGH_FILES = 64


def can_give_back() -> bool:
    """Say whether this process could get rid of all that it takes on. Root in a container, for one, may not.

    Tried and not looked up: the capabilities of a user namespace are shown as held, and are not honoured here.
    """
    if os.geteuid() != 0:
        return False
    own = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        # First the direction that needs the privilege: a refusal then leaves all as it was.
        os.setpriority(os.PRIO_PROCESS, 0, own - 1)
        os.setpriority(os.PRIO_PROCESS, 0, own)
        # The saved id stays 0 during the spawn, so the kernel would hand these on.
        drop_ambient_capabilities()
    except OSError:
        return False
    return True


def can_borrow(plan: SpawnPlan, *, can_give_back: bool) -> bool:
    """Say whether a supervisor may start this by itself; *can_give_back* is what the function of that name said."""
    if not can_give_back and (plan.account is not None or plan.nice):
        return False
    return all(_is_below(resource.getrlimit(kind)[1], hard) for kind, (_, hard) in plan.limits)


def _is_below(ceiling: int, wanted: int) -> bool:
    return ceiling == resource.RLIM_INFINITY or wanted <= ceiling


def spawn_borrowing(plan: SpawnPlan) -> int:
    """Start the main process by `posix_spawn`; raise StartFailedError, and ValueError for a NUL byte."""
    step = LIMITS
    own_limits = [(kind, resource.getrlimit(kind)) for kind, _ in plan.limits]
    own_nice = os.getpriority(os.PRIO_PROCESS, 0) if plan.nice else 0
    own_identity = _identity() if plan.account else None
    own_umask = os.umask(plan.umask)
    try:
        _take_limits(plan)
        if plan.account is not None:
            step = USER
            _take_identity(plan.account)
        if plan.directory != "/":  # where supervisors are anyway
            step = DIRECTORY
            # As that user: root may enter directories that the task itself could not.
            os.chdir(plan.directory)
        step = EXECUTE
        pid = _posix_spawn(plan)
        if plan.limits:
            _limit_tree(pid, plan.limits)
        return pid
    except OSError as error:
        raise StartFailedError(failure_words(step, error.errno or errno.EIO, plan)) from None
    finally:
        if own_identity is not None:
            _return_to(own_identity)
        if plan.nice:
            os.setpriority(os.PRIO_PROCESS, 0, own_nice)
        for kind, previous in own_limits:
            resource.setrlimit(kind, previous)
        if plan.directory != "/":
            os.chdir("/")
        os.umask(own_umask)


def _take_limits(plan: SpawnPlan) -> None:
    # The soft ones: they can be raised again. Beyond our own CPU time comes a SIGXCPU, which supervisors block.
    for kind, (soft, _) in plan.limits:
        least = ENOUGH_FILES if kind == resource.RLIMIT_NOFILE else 0
        resource.setrlimit(kind, (max(soft, least), resource.getrlimit(kind)[1]))
    if plan.nice:
        os.setpriority(os.PRIO_PROCESS, 0, plan.nice)


def _limit_tree(pid: int, limits: Limits) -> None:
    # The hard ones. It has begun to run: what it may have forked by now is given them as well.
    waiting, seen = [pid], {pid}
    while waiting:
        _limit(waiting.pop(), limits)
        for process in descendants(pid):
            if process.pid not in seen:
                seen.add(process.pid)
                waiting.append(process.pid)


def _limit(pid: int, limits: Limits) -> None:
    for kind, wanted in limits:
        try:
            resource.prlimit(pid, kind, wanted)
        except (OSError, ValueError):
            return  # It is over, or has become another user, whose limits are the business of who let it.


def _take_identity(account: Account) -> None:
    # The order is a matter of security: without root's effective id the others would be refused.
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, -1)
    os.setresuid(account.uid, account.uid, 0)
    wrong = (
        os.getresuid() != (account.uid, account.uid, 0)
        or os.getresgid()[:2] != (account.gid, account.gid)
        or set(os.getgroups()) != set(account.groups)
    )
    if wrong:
        raise OSError(errno.EPERM, "the old identity was kept")


def _identity() -> Identity:
    return os.getresuid(), os.getresgid(), os.getgroups()


def _return_to(own: Identity) -> None:
    users, gids, groups = own
    try:
        # Only what was taken: where the first step was refused already, undoing it would be refused as well.
        if os.getresuid() != users:
            os.setresuid(*users)
        if os.getresgid() != gids:
            os.setresgid(*gids)
        if os.getgroups() != groups:
            os.setgroups(groups)
    except OSError:
        # Never seen. Neither this run nor another may be held by a supervisor of unknown identity.
        os._exit(1)


def _posix_spawn(plan: SpawnPlan) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, plan.stdout, 1), (os.POSIX_SPAWN_DUP2, plan.stderr, 2)]
    if plan.stdin is not None:
        actions.append((os.POSIX_SPAWN_DUP2, plan.stdin, 0))
    return os.posix_spawn(
        plan.argv[0],
        plan.argv,
        plan.environment,
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=DEFAULTED_SIGNALS,
    )
