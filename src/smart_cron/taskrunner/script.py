"""Which scripts may be started, and how. Asked when a task is saved, and again by the supervisor at every start."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import time
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Mark = tuple[int, ...]

# For files that do not run by themselves. The name is looked up in the PATH of the task.
INTERPRETERS: Mapping[str, str] = {
    ".php": "php",
    ".py": "python3",
    ".sh": "sh",
    ".pl": "perl",
    ".rb": "ruby",
    ".js": "node",
}
ELF_MAGIC = b"\x7fELF"
KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a fifo"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)
WRITABLE_BY_GROUP_OR_OTHERS = stat.S_IWGRP | stat.S_IWOTH
ANY_EXECUTE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
MOST_REMEMBERED = 1000
# A file that changed a moment ago may change again without a later time stamp: clocks of file systems are coarse.
SETTLED_NANOSECONDS = 1_000_000_000


class ScriptFaultError(Exception):
    """A script that may not be started; the text is a sentence that says why."""


def check_script(path: str, *, run_as_uid: int, service_uid: int, directories: Sequence[str] | None) -> str | None:
    """Return a sentence that says what is wrong with the script at *path*, or None.

    It must be a regular file that only root, the service user or the user it runs as can change, in directories of
    which the same is true, inside one of *directories* where any are given, and something that can be executed.
    """
    try:
        runs_itself = examine_script(path, run_as_uid=run_as_uid, service_uid=service_uid, directories=directories)
    except ScriptFaultError as fault:
        return str(fault)
    if not runs_itself and os.path.splitext(path)[1] not in INTERPRETERS:
        return _unknown_kind(path)
    return None


def _unknown_kind(path: str) -> str:
    return f"the script {path} is not executable with a '#!' line, and its ending is none of {', '.join(INTERPRETERS)}"


def examine_script(path: str, *, run_as_uid: int, service_uid: int, directories: Sequence[str] | None) -> bool:
    """Say whether the script runs by itself (else it needs an interpreter); raise ScriptFaultError where it may not."""
    if "\0" in path:
        raise ScriptFaultError("the script's path holds a NUL byte")
    if not path.startswith("/"):
        raise ScriptFaultError(f"the script {path} is not an absolute path")
    key = (path, run_as_uid, service_uid)
    finding = _remembered.get(key)
    if finding is None or not finding.still_holds(path):
        finding = _look_at(path, key, {0, service_uid, run_as_uid})
    _check_inside(path, finding.resolved, directories)
    return finding.runs_itself


class Finding(namedtuple("Finding", "resolved runs_itself mark ancestors")):  # noqa: PYI024 - typing is heavy
    """What a look at a script found, with the marks by which a change of it, or of what it lies in, is seen."""

    __slots__ = ()
    resolved: str
    runs_itself: bool
    mark: Mark
    ancestors: list[tuple[str, Mark]]

    def still_holds(self, path: str) -> bool:
        """Say whether another look would find the same: nothing was changed, moved, replaced or linked elsewhere."""
        try:
            if _mark(os.stat(path)) != self.mark:
                return False
            return all(os.stat(directory)[:6] == mark for directory, mark in self.ancestors)
        except OSError:
            return False


# By path, the user it runs as and the service user: a start then takes four calls of the kernel instead of ten.
_remembered: dict[tuple[str, int, int], Finding] = {}


def _remember(key: tuple[str, int, int], finding: Finding) -> None:
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[key] = finding


def _mark(found: os.stat_result) -> Mark:
    # The first seven are mode, inode, device, links, user, group and size.
    return *found[:7], found.st_mtime_ns, found.st_ctime_ns


def _look_at(path: str, key: tuple[str, int, int], trusted: set[int]) -> Finding:
    # O_PATH looks without touching: opening a device or a fifo can have effects.
    fd = _open_path(path)
    try:
        found = os.fstat(fd)
        resolved = os.readlink(f"/proc/self/fd/{fd}")
        _check_file(path, found, trusted)
        ancestors = _check_ancestors(path, resolved, trusted)
        runs_itself = bool(found.st_mode & ANY_EXECUTE) and _has_magic(fd)
    finally:
        os.close(fd)
    marks = [(directory, at[:6]) for directory, at in ancestors]
    finding = Finding(resolved, runs_itself, _mark(found), marks)
    # A file with one name, or without a link on the way to it, cannot be reached by another way later.
    has_one_way = found.st_nlink == 1 or resolved == path
    if has_one_way and _tells_of_changes(found, [at for _, at in ancestors]):
        _remember(key, finding)
    return finding


def _tells_of_changes(found: os.stat_result, ancestors: list[os.stat_result]) -> bool:
    """Say whether a change of anything that was looked at would show in its marks: who is in a group does not."""
    asked_for_groups = found.st_mode & WRITABLE_BY_GROUP_OR_OTHERS or any(
        _is_shared(at, is_parent=at is ancestors[0]) for at in ancestors
    )
    settled = time.time_ns() - found.st_ctime_ns > SETTLED_NANOSECONDS
    return settled and not asked_for_groups


def _open_path(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise ScriptFaultError(_why_not_found(path, error)) from None


def _why_not_found(path: str, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"the script {path} is a link that leads in a circle"
    if error.errno == errno.ENOENT:
        if os.path.islink(path):
            return f"the script {path} is a link that leads nowhere"
        return f"the script {path} does not exist"
    return f"the script {path} cannot be looked at: {error.strerror}"


def _check_file(path: str, found: os.stat_result, trusted: set[int]) -> None:
    if not stat.S_ISREG(found.st_mode):
        words = next((words for is_kind, words in KINDS if is_kind(found.st_mode)), "is no regular file")
        raise ScriptFaultError(f"the script {path} {words}")
    if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise ScriptFaultError(f"the script {path} is setuid or setgid")
    if found.st_uid not in trusted:
        raise ScriptFaultError(
            f"the script {path} belongs to {_user_name(found.st_uid)}, not to root, the service user or its own user"
        )
    if found.st_mode & WRITABLE_BY_GROUP_OR_OTHERS and _is_writable_by_strangers(found):
        raise ScriptFaultError(f"the script {path} can be changed by its group or by others")


def _check_ancestors(path: str, resolved: str, trusted: set[int]) -> list[tuple[str, os.stat_result]]:
    directory = resolved.rpartition("/")[0] or "/"
    ancestors: list[tuple[str, os.stat_result]] = []
    while True:
        found = os.stat(directory)
        shared = _is_shared(found, is_parent=not ancestors)
        ancestors.append((directory, found))
        if found.st_uid not in trusted:
            raise ScriptFaultError(
                f"the directory {directory} of the script {path} belongs to {_user_name(found.st_uid)}"
            )
        if shared and _is_writable_by_strangers(found):
            raise ScriptFaultError(f"the directory {directory} of the script {path} can be written by others")
        if directory == "/":
            return ancestors
        directory = directory.rpartition("/")[0] or "/"


def _is_shared(found: os.stat_result, *, is_parent: bool) -> bool:
    # In a sticky directory nobody can replace an entry of others, but anybody can have put one there.
    return bool(found.st_mode & WRITABLE_BY_GROUP_OR_OTHERS) and (is_parent or not found.st_mode & stat.S_ISVTX)


def _is_writable_by_strangers(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IWOTH) or not _is_private_group(found.st_gid, found.st_uid)


def _is_private_group(gid: int, uid: int) -> bool:
    """Say whether the group is the user's own, as Debian makes one for each user: nobody else is in it."""
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _check_inside(path: str, resolved: str, directories: Sequence[str] | None) -> None:
    if directories is None:
        return
    for directory in directories:
        real = os.path.realpath(directory)
        if resolved.startswith(real if real.endswith("/") else real + "/"):
            return
    raise ScriptFaultError(f"the script {path} lies outside the script directories ({', '.join(directories)})")


def _has_magic(path_fd: int) -> bool:
    try:
        fd = os.open(f"/proc/self/fd/{path_fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        return True  # Executable and not readable for us: the kernel has the last word.
    try:
        magic = os.read(fd, 4)
    finally:
        os.close(fd)
    return magic == ELF_MAGIC or magic.startswith(b"#!")


def command_line(path: str, arguments: Sequence[str], *, runs_itself: bool, search_path: str) -> list[str]:
    """Return the argv that starts the script, its arguments untouched; raise ScriptFaultError where there is none."""
    if runs_itself:
        return [path, *arguments]
    interpreter = INTERPRETERS.get(os.path.splitext(path)[1])
    if interpreter is None:
        raise ScriptFaultError(_unknown_kind(path))
    program = find_program(interpreter, search_path, genuine=interpreter == "python3")
    if program is None:
        raise ScriptFaultError(f"the script {path} needs '{interpreter}', which is not in the PATH {search_path}")
    return [program, path, *arguments]


def find_program(name: str, search_path: str, *, genuine: bool = False) -> str | None:
    """Return the first executable of that name in *search_path*; *genuine* passes over scripts that pose as one.

    A `python3` on the path may be a shim of a version manager that needs the caller's environment.
    """
    for directory in search_path.split(":"):
        program = f"{directory}/{name}"
        if directory.startswith("/") and _is_program(program) and not (genuine and _is_script(program)):
            return program
    return None


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _is_script(program: str) -> bool:
    with open(program, "rb") as file:
        return file.read(2) == b"#!"
