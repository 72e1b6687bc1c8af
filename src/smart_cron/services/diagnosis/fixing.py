"""The steps that `doctor --fix` may take: each is looked at again before it is taken, and none touches a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from smart_cron.core.errors import SmartCronError
from smart_cron.services.diagnosis.finding import Finding, Fix, FixKind
from smart_cron.services.diagnosis.sockets import is_stale

Heal = Callable[[], int]


def fixes_of(findings: Sequence[Finding]) -> list[Fix]:
    """Return the steps that mend these findings, each once, folders before what is in them."""
    order = list(FixKind)
    return sorted(
        {finding.fix for finding in findings if finding.fix}, key=lambda fix: (order.index(fix.kind), fix.target)
    )


def in_words(fix: Fix) -> str:
    """Return what the step does, as it goes on after "would"."""
    match fix.kind:
        case FixKind.MAKE:
            return f"make the folder {fix.target}"
        case FixKind.CLOSE:
            return f"close {fix.target} to others (chmod {fix.mode:o})"
        case FixKind.REMOVE:
            return f"remove the socket {fix.target}, at which nobody listens"
        case FixKind.HEAL:
            return "make is_running say what really runs"


def apply(fix: Fix, *, owner_uid: int, owner_gid: int, heal: Heal) -> str:
    """Take the step and return what was done. Raise SmartCronError where it cannot be."""
    try:
        return _apply(fix, owner_uid, owner_gid, heal)
    except OSError as error:
        raise SmartCronError(
            f"{fix.target}: {error.strerror}.", remedy="Call it as the owner of the state directory, or as root."
        ) from None


def _apply(fix: Fix, uid: int, gid: int, heal: Heal) -> str:
    path = Path(fix.target)
    match fix.kind:
        case FixKind.MAKE:
            return _make(path, uid, gid, fix.mode)
        case FixKind.CLOSE:
            return _close(path, fix.mode)
        case FixKind.REMOVE:
            return _remove(path)
        case FixKind.HEAL:
            count = heal()
            return f"healed the mark of {count} task{'' if count == 1 else 's'}"


def _make(path: Path, uid: int, gid: int, mode: int) -> str:
    path.mkdir(mode=mode)
    path.chmod(mode)
    if os.geteuid() == 0:
        os.chown(path, uid, gid, follow_symlinks=False)
    return f"made {path}"


def _close(path: Path, mode: int) -> str:
    # By a descriptor that no link leads to: what was looked at is what is closed.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # Rights are taken away here and never given.
        os.fchmod(descriptor, os.fstat(descriptor).st_mode & mode)
    finally:
        os.close(descriptor)
    return f"closed {path} to others"


def _remove(path: Path) -> str:
    if not is_stale(path):
        return f"left {path}: somebody listens there by now, or it is gone"
    path.unlink(missing_ok=True)
    return f"removed {path}"
