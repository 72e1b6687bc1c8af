"""`sandbox: strict`: the task in namespaces of its own, by bubblewrap: bwrap(1).

It sees the machine's files read-only, an empty /tmp and /var/tmp, a /dev without devices, and no process but its own;
it may write in its working directory, where that is no part of the system, and gains no privileges whatever it
executes (so neither sudo nor setgid mailers work). Without a network of the machine's it has a loopback of its own.

bubblewrap waits outside for the first process inside, and whoever kills it kills all of them. So SIGTERM must not
reach it, or the task had no time to end well. How the task ended comes through it as an exit code: 128+n for the end
by signal n.
"""

from __future__ import annotations

import os

from smart_cron.taskrunner.plan import StartFailedError
from smart_cron.taskrunner.script import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.protocol import Order

PROGRAM = "bwrap"
# Not the task's own PATH: it may name folders in which others could put a `bwrap`.
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
PRIVATE = ("/tmp", "/var/tmp")  # noqa: S108 - these are what is replaced
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/boot",
    "/efi",
    "/proc",
    "/sys",
    "/dev",
)
MISSING = "its sandbox 'strict' needs bubblewrap (bwrap), which is not installed: apt install bubblewrap"


def is_strict(order: Order) -> bool:
    """Say whether the order asks for this."""
    return bool(order["sandbox"] == "strict")


def sandboxed(argv: list[str], *, directory: str, network: bool, script: str | None = None) -> list[str]:
    """Return the command that runs *argv* in the sandbox; raise StartFailedError where bubblewrap is missing.

    *directory* is the working directory, *script* a file that must be seen inside although it lies in a private place.
    """
    program = find_program(PROGRAM, SEARCH_PATH)
    if program is None:
        raise StartFailedError(MISSING)
    return [program, *options(directory=directory, network=network, script=script), "--", *argv]


def options(*, directory: str, network: bool, script: str | None) -> list[str]:
    """Return bubblewrap's options: later ones lie over earlier ones."""
    words = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for place in PRIVATE:
        # Where /var/tmp is a link to /tmp, it leads into the private one already.
        if os.path.isdir(place) and not os.path.islink(place):
            words += ["--perms", "1777", "--tmpfs", place]
    # By their real names: a link on the way would lead bubblewrap out of what it builds.
    if script is not None and _is_within(os.path.realpath(script), PRIVATE):
        words += ["--ro-bind", os.path.realpath(script), os.path.realpath(script)]
    if may_be_written(directory):
        words += ["--bind", os.path.realpath(directory), os.path.realpath(directory)]
    words += [*NAMESPACES, *(() if network else ("--unshare-net",))]
    # A supervisor that dies takes the task with it, and a task that is root in here has none of root's powers.
    return [*words, "--die-with-parent", "--cap-drop", "ALL", "--chdir", directory]


def may_be_written(directory: str) -> bool:
    """Say whether a working directory is the task's to write in: not where that would open the system to it."""
    real = os.path.realpath(directory)
    return real != "/" and real not in PRIVATE and not _is_within(real, SYSTEM) and os.path.isdir(real)


def _is_within(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)
