"""Starting a task by a supervisor that takes on the task's user, limits and nice for the moment of the spawn.

The process inherits them, so nothing has to run between fork and exec, and the spawn costs what a plain one does.

The supervisor takes the user's real and saved ids and keeps 0 as its effective one, by which it comes back. The first
thing that the child of the spawn does is to make its effective ids the real ones (POSIX_SPAWN_RESETIDS); with no id
left that is 0 the kernel takes all its capabilities (capabilities(7)): the task has the one identity and no way back.
For this moment the user may signal the supervisor, and nothing else of it: that its effective id is another forbids
ptrace. Who kills it loses their own run, as with a fork.

A hard limit cannot be given back without a privilege that root in a container lacks, so only the soft ones are taken,
which the task has from its first instruction. The hard ones are set on it right after the spawn, as that user, and the
soft ones with them once more: what it may have raised by then is taken back. A task on which they cannot be set is
killed and counts as not started.
"""

from __future__ import annotations

import errno
import os
import resource
import signal

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
        # An effective id of 0 is kept during the spawn, so the kernel would hand these on.
        drop_ambient_capabilities()
    except OSError:
        return False
    return True


def can_borrow(plan: SpawnPlan, *, can_give_back: bool) -> bool:
    """Say whether a supervisor may start this by itself; *can_give_back* is what the function of that name said."""
    if not can_give_back and (plan.account is not None or plan.nice):
        return False
    return all(_is_below(resource.getrlimit(kind)[1], hard) for kind, (_, hard) in plan.limits)


def has_room_for_spawn(plan: SpawnPlan) -> bool:
    """Say whether the plan's descriptors lie below its limit of open files: `posix_spawn` refuses others."""
    files = dict(plan.limits).get(resource.RLIMIT_NOFILE)
    return files is None or files[0] > max(plan.stdout, plan.stderr, plan.stdin or 0)


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
        if plan.account is not None:
            step = USER
            # Back from the user's effective id: the child takes it on again, and no other id is left to it then.
            os.setresuid(-1, 0, plan.account.uid)
        step = EXECUTE
        pid = _posix_spawn(plan)
        step = LIMITS
        _set_limits(own_limits)  # First ours again: to look for what it forked takes descriptors.
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
        _set_limits(own_limits)
        if plan.directory != "/":
            os.chdir("/")
        os.umask(own_umask)


def _set_limits(limits: Limits) -> None:
    for kind, wanted in limits:
        resource.setrlimit(kind, wanted)


def _take_limits(plan: SpawnPlan) -> None:
    # The soft ones: they can be raised again. Beyond our own CPU time comes a SIGXCPU, which supervisors block.
    for kind, (soft, _) in plan.limits:
        resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1]))
    if plan.nice:
        os.setpriority(os.PRIO_PROCESS, 0, plan.nice)


def _limit_tree(pid: int, limits: Limits) -> None:
    """Set the hard limits; end the task and raise PermissionError where it does not take them.

    It has begun to run: what it may have forked by now is given them as well.
    """
    _limit_main(pid, limits)
    seen = {pid}
    while True:
        waiting = [process.pid for process in descendants(pid) if process.pid not in seen]
        if not waiting:
            return
        for child in waiting:
            _limit_child(child, limits)
        seen.update(waiting)


def _limit_main(pid: int, limits: Limits) -> None:
    try:
        _limit(pid, limits)
    except ProcessLookupError:
        return  # It is over.
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


def _limit_child(pid: int, limits: Limits) -> None:
    try:
        _limit(pid, limits)
    except (OSError, ValueError):
        return  # It is over, or has become another user, whose limits are the business of who let it.


def _limit(pid: int, limits: Limits) -> None:
    for kind, wanted in limits:
        resource.prlimit(pid, kind, wanted)


def _take_identity(account: Account) -> None:
    # The order is a matter of security: without root's effective id the others would be refused.
    os.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, 0)
    wrong = (
        os.getresuid() != (account.uid, account.uid, 0)
        or os.getresgid() != (account.gid,) * 3
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
        resetids=plan.account is not None,
        setsigmask=(),
        setsigdef=DEFAULTED_SIGNALS,
    )
