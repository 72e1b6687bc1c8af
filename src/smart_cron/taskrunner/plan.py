"""What starting a task's main process takes, and how a start that failed is put into words."""

from __future__ import annotations

import errno
import os
import pwd
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from smart_cron.taskrunner.cgroup import RunGroup
    from smart_cron.taskrunner.limits import Limits

# Python ignores these at its start, and what is ignored stays so over exec.
DEFAULTED_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
STEPS = ("open its session", "set its limits", "become its user", "enter its working directory", "execute")
SESSION, LIMITS, USER, DIRECTORY, EXECUTE = range(len(STEPS))
UNSUITABLE = "its arguments or its environment hold a NUL byte, or a name with '='"


class StartFailedError(Exception):
    """The task could not be started; the text says why, with the errno in words."""


class Account:
    """A user to run as: user id, group id and all groups."""

    __slots__ = ("gid", "groups", "home", "name", "uid")

    def __init__(self, name: str) -> None:
        try:
            entry = pwd.getpwnam(name)
        except (KeyError, ValueError):
            raise StartFailedError(f"there is no user '{name}' on this machine") from None
        self.name, self.uid, self.gid, self.home = name, entry.pw_uid, entry.pw_gid, entry.pw_dir
        self.groups = os.getgrouplist(name, entry.pw_gid)


class SpawnPlan:
    """All that starting takes. `stdin` None leaves the null device; `account` None the user as is.

    `in_place` says that no fork is needed: `borrowed.can_borrow` knows. `group` is the cgroup to start it in, `wrapped`
    says that the main process is a sandbox around the task.
    """

    __slots__ = (
        "account", "argv", "directory", "environment", "group", "in_place", "limits", "nice", "stderr", "stdin",
        "stdout", "umask", "wrapped",
    )  # fmt: skip

    def __init__(
        self,
        argv: list[str],
        environment: Mapping[str, str],
        *,
        directory: str,
        umask: int,
        account: Account | None = None,
        limits: Limits | None = None,
        nice: int = 0,
    ) -> None:
        self.argv, self.environment = argv, environment
        self.directory, self.umask = directory, umask
        self.account, self.limits, self.nice = account, limits or [], nice
        self.stdin: int | None = None
        self.stdout = self.stderr = -1
        self.in_place = self.wrapped = False
        self.group: RunGroup | None = None


def failure_words(step: int, code: int, plan: SpawnPlan) -> str:
    """Return the sentence that says which step of starting failed, and how."""
    if code == 0:
        return UNSUITABLE
    what = {DIRECTORY: f" {plan.directory}", EXECUTE: f" {plan.argv[0]}"}.get(step, "")
    if step == USER and plan.account is not None:
        what = f" '{plan.account.name}'"
    sentence = f"the task could not {STEPS[step]}{what}: {os.strerror(code)}"
    if step == EXECUTE and code == errno.ENOENT and os.path.exists(plan.argv[0]):
        sentence += " (the interpreter that its '#!' line names is not there)"
    return sentence
