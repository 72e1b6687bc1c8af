"""Which cgroup of version 2 is the task runner's own to divide: cgroups(7), systemd's "Control Group APIs".

The hierarchy's root is never ours, nor is a cgroup with other processes in it, nor, where systemd is at work, one that
it did not mark as handed over. Limits have a price there: with their controllers handed on, nothing can be started in
that cgroup itself any more, so systemd could start no new task runner while runs of the old one live. So they are kept
where the unit puts its processes into the leaf (DelegateSubgroup=supervisor, systemd 254); with an older systemd a
run's cgroup serves to end it, and memory is sampled.

What was run: everything but what systemd does and the handing on of controllers, which this was only reviewed for.
"""

from __future__ import annotations

import contextlib
import os

from smart_cron.taskrunner.cgroup import LEAF, Home, read, try_to_write, write

# Those that our limits need.
CONTROLLERS = ("memory", "pids")
MARKS = ("user.delegate", "trusted.delegate")
SYSTEMD = "/run/systemd/system"


def own_cgroup(*, cgroups: str, mounts: str) -> str | None:
    """Return the directory of a process's cgroup of version 2, or None where it is not to be seen.

    *cgroups* and *mounts* are the texts of /proc/PID/cgroup and /proc/self/mountinfo.
    """
    inside = next((line[3:] for line in cgroups.splitlines() if line.startswith("0::/")), None)
    if inside is None or inside.startswith("/.."):
        return None  # Above what this mount namespace shows.
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        if not after.startswith("cgroup2 "):
            continue
        root, place = before.split(" ")[3:5]
        if root == "/":
            return (place + inside).rstrip("/")
        if inside == root or inside.startswith(f"{root}/"):
            return place + inside[len(root) :]
    return None


def settle_in() -> Home | None:
    """Take possession of the task runner's own cgroup, moving into its leaf; None where it is not ours to take.

    Call it once, before anything is forked.
    """
    own = _cgroup_of_self()
    if own is None:
        return None
    if os.path.basename(own) == LEAF:
        path, may_hand_on = os.path.dirname(own), True  # Somebody put us there: the unit, or the runner before us.
        if why_not_ours(path, pid=None):
            return None
    else:
        path, may_hand_on = own, not os.path.isdir(SYSTEMD)
        if why_not_ours(path, pid=os.getpid()):
            return None
    try:
        _move_to_leaf(path)
    except OSError:
        return None
    if may_hand_on:
        _hand_on_controllers(path)
    home = Home(path)
    home.tidy()
    return home


def home_around(cgroup: str | None) -> Home | None:
    """Return the home of a task runner or supervisor in this cgroup, or None where it has none."""
    if cgroup is None or os.path.basename(cgroup) != LEAF:
        return None
    path = os.path.dirname(cgroup)
    return None if why_not_ours(path, pid=None) else Home(path)


def why_not_ours(path: str, *, pid: int | None) -> str | None:
    """Return why the cgroup at *path* is not delegated to this process, as a part of a sentence, or None.

    *pid* is the one process that may be in it; None asks nothing of who is in it.
    """
    if not os.path.exists(f"{path}/cgroup.events"):
        return "it is the root of the hierarchy"
    needed = (path, f"{path}/cgroup.procs", f"{path}/cgroup.subtree_control")
    if not all(os.access(one, os.W_OK) for one in needed):
        return "this user may not write in it"
    if os.path.isdir(SYSTEMD) and not _is_marked(path):
        return "systemd did not hand it over (Delegate=yes)"
    if pid is not None and (read(f"{path}/cgroup.procs") or "").split() != [str(pid)]:
        return "there are other processes in it"
    return None


def cgroup_of(pid: int) -> str | None:
    """Return the directory of a process's cgroup of version 2, or None."""
    cgroups, mounts = read(f"/proc/{pid}/cgroup"), read("/proc/self/mountinfo")
    return None if cgroups is None or mounts is None else own_cgroup(cgroups=cgroups, mounts=mounts)


def _cgroup_of_self() -> str | None:
    return cgroup_of(os.getpid())


def _is_marked(path: str) -> bool:
    for mark in MARKS:
        try:
            if os.getxattr(path, mark).strip() in (b"1", b"yes", b"true"):
                return True
        except OSError:
            continue
    return False


def _move_to_leaf(path: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(f"{path}/{LEAF}", 0o755)
    write(f"{path}/{LEAF}/cgroup.procs", "0")


def _hand_on_controllers(path: str) -> None:
    there = (read(f"{path}/cgroup.controllers") or "").split()
    for name in CONTROLLERS:
        if name in there:
            # One by one: a refused one takes no other with it, and what is in force is read afterwards.
            try_to_write(f"{path}/cgroup.subtree_control", f"+{name}")
