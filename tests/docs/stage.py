"""A shell at whose paths ours lie: /var/log/smart-cron and its like, in a mount namespace of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

DEADLINE_SECONDS = 120.0
FOLDERS = {"log": "/var/log", "run": "/run", "backups": "/var/backups"}
# Empty folders over the machine's own, and in them ours. The name of this script and what it is told hold no word that
# `pkill -f` of the specification looks for.
_SCRIPT = """set -eu
mount --make-rprivate /
{mounts}
exec bash "$1"
"""
_MOUNT = """mkdir -p {home}/{name}
mount -t tmpfs -o mode=755 none {parent}
mkdir {parent}/smart-cron
mount --bind {home}/{name} {parent}/smart-cron"""


class Stage:
    """Runs lines of the specification, as they are printed, over the folders of one home."""

    def __init__(self, home: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        mounts = "\n".join(_MOUNT.format(home=home, name=name, parent=parent) for name, parent in FOLDERS.items())
        (folder / "stage").write_text(_SCRIPT.format(mounts=mounts))

    def command(self, line: str, *, own_pids: bool = False) -> list[str]:
        """Return what runs a line, or several."""
        (self._folder / "line").write_text(f"{line}\n")
        # Whoever is not root is root of a user namespace.
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        pids = ["--pid", "--fork", "--mount-proc", "--kill-child"] if own_pids else []
        stage, script = str(self._folder / "stage"), str(self._folder / "line")
        return ["unshare", *user, "--mount", *pids, "bash", stage, script]

    def prints(self, line: str, *, own_pids: bool = False) -> str:
        """Run a line to its good end, and return what it prints."""
        done = subprocess.run(
            self.command(line, own_pids=own_pids),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == "", done.stderr
        return done.stdout

    def prints_until(self, line: str, wanted: str) -> str:
        """Run a line that does not end by itself until it has printed something; return what it has printed."""
        process = subprocess.Popen(
            self.command(line), env=self._environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        printed = ""
        try:
            while wanted not in printed:
                read = process.stdout.readline()
                assert read, printed
                printed += read
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
        return printed

    def answers(self, line: str, password: str) -> str:
        """Run a line at a terminal and type a password when it is asked for; return what the terminal shows."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            self.command(line),
            env=self._environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 — no threads at work here
        )
        os.close(terminal)
        shown = b""
        # A terminal ends with an error.
        with closing(os.fdopen(controller, "rb", buffering=0)) as screen, suppress(OSError):
            while read := screen.read(4096):
                shown += read
                if shown.endswith(b"password: "):
                    os.write(screen.fileno(), f"{password}\n".encode())
        assert process.wait(DEADLINE_SECONDS) == 0, shown
        return shown.decode().replace("\r\n", "\n")
