"""Private database servers for tests: real ones, in a folder of their own, reached by a Unix socket only.

Each comes from the Debian packages `mariadb-server` and `postgresql`, is started by whoever needs it, and ended with
it. Its empty data folder is made once a process and copied for each server after that: to make it anew took longer
than all the rest of a start. Nothing listens on the network.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Self
from urllib.parse import quote

START_SECONDS = 60.0
LOG_SIZE = "--innodb-log-file-size=32M"


class ServerMissingError(RuntimeError):
    """A Debian package that the tests need is not installed; it is named."""


class Server:
    """One server process and its folder. Subclasses say how it is made, started, asked and reached."""

    package = ""
    stop_signal = signal.SIGTERM
    user: str | None = None
    # Whether commits wait for the disk; what is committed outlives the server's own death either way.
    outlives_the_machine = True

    def __init__(self) -> None:
        # Short: a socket's path ends at 107 bytes. Made readable, since the server may be another user.
        self.folder = Path(tempfile.mkdtemp(prefix="scdb-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make an empty data folder."""
        _own(self.folder, self.user)
        # Holes in the logs stay holes.
        maker = next(kind for kind in type(self).__mro__ if "make_data" in vars(kind))
        run(["cp", "-a", "--sparse=always", f"{_new_data(maker)}/.", str(self.folder)])

    def make_data(self) -> None:
        """Make an empty data folder by the database's own program."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Return the server's command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether the server takes connections."""
        raise NotImplementedError

    def run_sql(self, sql: str, database: str = "") -> str:
        """Run SQL through the server's own client, as a person would, and return what it prints."""
        raise NotImplementedError

    def url(self, database: str) -> str:
        """Return the URL of one database."""
        raise NotImplementedError

    def create_database(self, name: str) -> str:
        """Make a database and return its URL."""
        self.run_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.run_sql(f"DROP DATABASE IF EXISTS {name}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.folder / "server.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=become(self.user),  # noqa: PLW1509 — single-threaded here; changes group list, gid, uid
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.package} did not start:\n{tail}")
            _ended_within(self.process, 0.05)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End the server; SIGKILL is the crash that tests ask for."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how or self.stop_signal)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def freeze(self) -> None:
        """Stop the server's clock: it accepts and never answers. Every thread of it stands when this returns."""
        frozen = self._signal_all(signal.SIGSTOP)
        deadline = time.monotonic() + START_SECONDS
        while not all(_stands_still(pid) for pid in frozen):
            assert time.monotonic() < deadline, "the server does not stand still"
            time.sleep(0.001)  # between two looks: a thread may answer until its turn to stop has come

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> list[int]:
        """Signal the server and its children; return their pids."""
        assert self.process is not None
        os.killpg(self.process.pid, number)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return [self.process.pid, *map(int, children)]

    def close(self) -> None:
        """End the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.create()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MariaDb(Server):
    package = "mariadb-server"

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options
        self.socket = self.folder / "s"
        self.user = "mysql" if os.geteuid() == 0 and _user_exists("mysql") else None

    def make_data(self) -> None:
        for name in ("data", "tmp"):
            (self.folder / name).mkdir()
            _own(self.folder / name, self.user)
        data = self.folder / "data"
        run(
            [
                program("mariadb-install-db", self.package),
                "--no-defaults",
                f"--datadir={data}",
                # Of its own: two that are made at once remove each other's files in a shared one.
                f"--tmpdir={self.folder / 'tmp'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                LOG_SIZE,
                *([f"--user={self.user}"] if self.user else []),
            ]
        )

    def command(self) -> list[str]:
        return [
            program("mariadbd", self.package, "/usr/sbin"),
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            f"--tmpdir={self.folder / 'tmp'}",
            f"--socket={self.socket}",
            f"--pid-file={self.folder / 'pid'}",
            "--skip-networking",
            "--innodb-buffer-pool-size=64M",
            LOG_SIZE,
            *([] if self.outlives_the_machine else ["--innodb-flush-log-at-trx-commit=2"]),
            # The worst default there is: what is utf8mb4 or UTC is so by our own doing.
            "--character-set-server=latin1",
            "--default-time-zone=+13:00",
            *self.options,
        ]

    def answers(self) -> bool:
        client = [program("mariadb", "mariadb-client"), "--no-defaults", f"--socket={self.socket}", "-uroot"]
        return (
            self.socket.exists()
            and subprocess.run(
                [*client, "-e", "SELECT 1"], capture_output=True, check=False, timeout=START_SECONDS
            ).returncode
            == 0
        )

    def run_sql(self, sql: str, database: str = "") -> str:
        client = [program("mariadb", "mariadb-client"), "--no-defaults", f"--socket={self.socket}", "-uroot"]
        # Like the client of an administrator: utf8mb4, no strict mode, the server's zone.
        session = "SET SESSION sql_mode = '';"
        return run([*client, "--default-character-set=utf8mb4", "-N", "-B", *filter(None, [database])], session + sql)

    def url(self, database: str) -> str:
        return f"mariadb://root@localhost/{database}?unix_socket={quote(str(self.socket), safe='')}"


class PostgreSql(Server):
    package = "postgresql"
    # Fast: the default waits for every client to leave.
    stop_signal = signal.SIGINT
    # Part of its socket's name; it listens there only.
    port = 5432

    def __init__(self) -> None:
        super().__init__()
        # `initdb` refuses root.
        self.user = "postgres" if os.geteuid() == 0 else None

    def make_data(self) -> None:
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        run([postgres_program("initdb"), f"--pgdata={self.folder / 'data'}", *options], user=self.user)

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "64MB",
            "timezone": "Pacific/Auckland",
            "max_connections": "60",
            **({} if self.outlives_the_machine else {"fsync": "off"}),
        }
        return [
            postgres_program("postgres"),
            "-D",
            str(self.folder / "data"),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        ]

    def answers(self) -> bool:
        ready = [postgres_program("pg_isready"), "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-q"]
        return subprocess.run(ready, capture_output=True, check=False, timeout=START_SECONDS).returncode == 0

    def run_sql(self, sql: str, database: str = "postgres") -> str:
        where = ["-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database]
        return run([postgres_program("psql"), "-X", *where, "-At", "-v", "ON_ERROR_STOP=1", "-q"], sql)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder), safe='')}"


@cache
def _new_data(kind: type[Server]) -> Path:
    """Return a folder with the data of a server that nobody has used yet; it is there as long as this process."""
    made = kind()
    atexit.register(made.close)
    _own(made.folder, made.user)
    made.make_data()
    return made.folder


def program(name: str, package: str, *folders: str) -> str:
    """Return a program's path, or say which package brings it."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise ServerMissingError(f"the tests need '{name}': install the Debian package {package}")
    return found


def postgres_program(name: str) -> str:
    """Return a program of the newest PostgreSQL that is installed."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return program(name, "postgresql", *map(str, homes))


def run(command: list[str], stdin: str = "", *, user: str | None = None) -> str:
    """Run a command to its end and return what it prints; what it complains of is in the error."""
    done = subprocess.run(
        command, input=stdin.encode(), capture_output=True, check=False, preexec_fn=become(user), cwd="/", timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def become(user: str | None) -> Callable[[], None] | None:
    """Return what makes a child process that user, or None where it stays who it is."""
    if user is None:
        return None
    entry = pwd.getpwnam(user)

    def change() -> None:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)

    return change


def _own(path: Path, user: str | None) -> None:
    if user is not None:
        shutil.chown(path, user)


def _user_exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the process's end, which ends a wait for its start early."""
    handle = os.pidfd_open(process.pid)
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


if __name__ == "__main__":
    with MariaDb() as mariadb, PostgreSql() as postgresql:
        for server in (mariadb, postgresql):
            print(server.create_database("smart_cron"), flush=True)  # noqa: T201
        sys.stdin.read()


def _stands_still(pid: int) -> bool:
    """Whether every thread of a process is stopped, or the process is gone."""
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return not Path(f"/proc/{pid}").exists()
    return all(state in "TZX" for state in states)
