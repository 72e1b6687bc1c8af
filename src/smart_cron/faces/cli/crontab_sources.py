"""Where `import crontab` reads from: a file, a user's crontab, or what the machine's cron reads."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron.core.errors import SmartCronError

if TYPE_CHECKING:
    from smart_cron.services.crontab import CrontabLine

SPOOL = Path("/var/spool/cron/crontabs")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabFile:
    """A crontab as a file. `system` says that its lines name a user each."""

    path: Path
    system: bool
    user: str | None = None

    @property
    def source(self) -> str:
        """What names it in origins and messages."""
        return str(self.path)

    def content(self) -> bytes:
        """Return its bytes."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise SmartCronError(f"the crontab {self.path} cannot be read: {error.strerror}.") from None

    def require_can_take_over(self, lines: Sequence[CrontabLine]) -> None:
        """Raise SmartCronError where `take_over` could not do its work."""
        from smart_cron.services.crontab import require_can_take_over

        require_can_take_over(self.path, lines)

    def take_over(self, lines: Sequence[CrontabLine]) -> Path:
        """Comment these lines out and return the copy of what was there."""
        from smart_cron.services.crontab import take_over

        return take_over(self.path, lines)

    def give_back(self, lines: Sequence[CrontabLine]) -> None:
        """Undo `take_over`."""
        from smart_cron.services.crontab import give_back

        give_back(self.path, lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCrontab:
    """A user's own crontab, which only crontab(1) may read and write. Copies are kept in `folder`."""

    user: str
    folder: Path
    system: bool = False

    @property
    def source(self) -> str:
        """What names it in origins and messages."""
        return f"crontab of {self.user}"

    def content(self) -> bytes:
        """Return its bytes; somebody without a crontab has an empty one."""
        done = self._crontab("-l")
        if done.returncode and b"no crontab" not in done.stderr:
            reason = done.stderr.decode("utf-8", "replace").strip()
            raise SmartCronError(f"the crontab of '{self.user}' cannot be read: {reason}.")
        return done.stdout

    def require_can_take_over(self, lines: Sequence[CrontabLine]) -> None:
        """Raise SmartCronError where `take_over` could not do its work, as far as can be told without doing it."""
        from smart_cron.services.crontab import require_can_take_over

        with self._written_out() as path:
            require_can_take_over(path, lines)

    def take_over(self, lines: Sequence[CrontabLine]) -> Path:
        """Comment these lines out through crontab(1) and return the copy of what was there."""
        from smart_cron.services.crontab import give_back, take_over

        with self._written_out() as path:
            copy = take_over(path, lines)
            try:
                self._install(path)
            except SmartCronError:
                give_back(path, lines)
                raise
        return copy

    def give_back(self, lines: Sequence[CrontabLine]) -> None:
        """Undo `take_over`."""
        from smart_cron.services.crontab import give_back

        with self._written_out() as path:
            give_back(path, lines)
            self._install(path)

    @contextmanager
    def _written_out(self) -> Iterator[Path]:
        path = self.folder / f"crontab-{self.user}"
        try:
            path.write_bytes(self.content())
        except OSError as error:
            raise SmartCronError(f"{path} cannot be written: {error.strerror}.") from None
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _install(self, path: Path) -> None:
        done = self._crontab(str(path))
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().rstrip(".")
            raise SmartCronError(f"the crontab of '{self.user}' was not changed: {reason}.")

    def _crontab(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        own = self.user == pwd.getpwuid(os.geteuid()).pw_name
        command = ["crontab", *(() if own else ("-u", self.user)), *arguments]
        try:
            return subprocess.run(command, capture_output=True, check=False, timeout=30)
        except FileNotFoundError:
            raise SmartCronError(
                "this machine has no 'crontab' command.", remedy="Name the crontab's file instead."
            ) from None


Source = CrontabFile | UserCrontab


def file_source(path: Path, *, with_users: bool) -> CrontabFile:
    """Return a file as a source; /etc/crontab and /etc/cron.d name a user in each line, a spool file is a user's."""
    path = path.absolute()
    system = with_users or path == Path("/etc/crontab") or path.parent == Path("/etc/cron.d")
    return CrontabFile(path=path, system=system, user=path.name if path.parent == SPOOL else None)


def user_source(name: str, folder: Path) -> UserCrontab:
    """Return a user's crontab, our own where *name* is empty."""
    return UserCrontab(user=name or pwd.getpwuid(os.geteuid()).pw_name, folder=folder)


def system_sources() -> tuple[list[CrontabFile], tuple[str, ...]]:
    """Return what the machine's cron reads, and a sentence on each file that it passes over."""
    from smart_cron.services.crontab import system_crontabs

    found = system_crontabs()
    return [CrontabFile(path=path, system=True) for path in found.files], found.passed_over
