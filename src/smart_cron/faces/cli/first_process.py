"""Being a container's first process: the kernel gives it every orphan, and no signal that it has no handler for.

The task runner leaves its starter by two forks, so its remains come to the first process, which has to fetch them.
That is no work for a master, whose own children would be fetched away under it: the first process stays behind and
does it.
"""

from __future__ import annotations

import os
import signal

FIRST = 1
PASSED_ON = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


def leave_first_place() -> None:
    """As the first process, go on as its child; the first process passes signals on and ends with our exit code.

    Nothing may be open yet that a fork would share. Elsewhere this does nothing.
    """
    if os.getpid() != FIRST:
        return
    heard = {*PASSED_ON, signal.SIGCHLD}
    # A signal that comes between fork and wait is kept, and not lost.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os._exit(_exit_code_of(child, heard))


def _exit_code_of(child: int, heard: set[signal.Signals]) -> int:
    while True:
        number = signal.sigwait(heard)
        if number in PASSED_ON:
            os.kill(child, number)
        elif (code := _fetch_remains(child)) is not None:
            return code


def _fetch_remains(child: int) -> int | None:
    """Fetch every process that has ended; return the child's exit code, as a shell words it, if it was among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code
