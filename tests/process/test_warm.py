"""What stands in for a process started anew says and ends as that does."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests import warm
from tests.process.cli import DEADLINE_SECONDS, Console

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "words",
    [
        ("task", "list", "--disabled"),
        ("task", "list", "--json"),
        ("task", "show", "none"),
        ("no-such-command",),
        ("init", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_says_and_ends_as_one_that_was_started_by_itself(tmp_path: Path, words: tuple[str, ...]) -> None:
    console = Console(tmp_path / "home")
    console.sure("init")
    started = subprocess.run(
        console.argv(*words),
        env=console.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    called = console.call(*words)

    assert (called.returncode, called.stdout, called.stderr) == (started.returncode, started.stdout, started.stderr)


def test_what_is_typed_arrives(tmp_path: Path) -> None:
    console = Console(tmp_path / "home")
    console.sure("init")

    console.sure_with("correct horse battery\n", "user", "add", "ann", "--role", "viewer")

    with closing(sqlite3.connect(console.home / "state" / "smart-cron.db")) as connection:
        assert connection.execute("SELECT username FROM smart_cron_users").fetchall() == [("ann",)]


TELLS = """
import json, os, signal, sys
print(json.dumps([sys.argv, __name__, os.getcwd(), os.getppid(), os.environ["SMART_CRON_HOME"], sys.stdin.read()]))
print(*open("/proc/self/cmdline").read().rstrip("\\0").split("\\0"), sep="|")
print("HOME=" + os.environ["SMART_CRON_HOME"] in open("/proc/self/environ").read(), file=sys.stderr)
"""
ENDS = ("sys.exit(7)", "sys.exit('sorry')", "pass", "os.kill(os.getpid(), 9)", "raise KeyboardInterrupt")


def outcome(kind: type[subprocess.Popen[bytes]], console: Console, end: str, folder: Path) -> tuple[object, ...]:
    with kind(
        [sys.executable, "-c", f"{TELLS}\nsys.stdout.flush()\n{end}", "a", "b c"],
        env=console.environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        out, err = process.communicate(b"typed", timeout=DEADLINE_SECONDS)
    return process.returncode, out, err.splitlines()[-1:]


@pytest.mark.parametrize("end", ENDS)
def test_a_fork_is_a_child_that_says_shows_and_ends_as_one_that_was_started(tmp_path: Path, end: str) -> None:
    console = Console(tmp_path / "home")

    forked = outcome(warm.Fork, console, end, tmp_path)

    assert forked == outcome(subprocess.Popen, console, end, tmp_path)
    assert f", {os.getpid()}, ".encode() in forked[1]  # type: ignore[operator]


def module_count(console: Console, code: str = "", **changes: str) -> int:
    code = f"{code}\nimport sys; print(len(sys.modules))"
    done = warm.run([sys.executable, "-c", code], env={**console.environment, **changes}, timeout=DEADLINE_SECONDS)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_what_an_interpreter_reads_when_it_starts_is_read_by_one_that_is_started(tmp_path: Path) -> None:
    console = Console(tmp_path / "home")

    assert module_count(console) > 500
    for changes in ({"PYTHONWARNINGS": "error"}, {"LD_PRELOAD": ""}, {"PYTHONPATH": str(tmp_path)}):
        assert module_count(console, **changes) < 200


OPENED = """
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config(), is_secure={is_secure})
from django.conf import settings
print(settings.SECRET_KEY, settings.SESSION_COOKIE_NAME, "smart_cron.faces.web.urls" in __import__("sys").modules)
"""


def test_pages_are_told_their_own_settings_and_start_anew_for_those_that_were_read(tmp_path: Path) -> None:
    keys = set()
    for name, is_secure, cookie, is_fork in (
        ("one", False, "smart_cron_session", True),
        ("two", False, "smart_cron_session", True),
        ("three", True, "__Host-smart_cron_session", False),
    ):
        console = Console(tmp_path / name)
        console.sure("init")
        program = OPENED.format(is_secure=is_secure)
        done = warm.run([sys.executable, "-c", program], env=console.environment, timeout=DEADLINE_SECONDS)
        assert done.returncode == 0, done.stderr
        key, shown, was_there = done.stdout.decode().split()
        assert (shown, was_there) == (cookie, str(is_fork))
        assert key == (console.home / "state" / "web.key").read_text().strip()
        keys.add(key)

    assert len(keys) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the namespace and be somebody else")
def test_in_a_script_it_is_its_callers_user_in_its_callers_place() -> None:
    assert shutil.which("unshare")
    script = """mount -t tmpfs none /mnt && mkdir -m 777 /mnt/place && cd /mnt/place && umask 027
        export SMART_CRON_HOME=/mnt/place/home
        setpriv --reuid nobody --regid nogroup --clear-groups $SC init >/dev/null
        stat -c '%U %G %a' home; $SC task show none 2>&1 || echo $?; pwd"""

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env={**os.environ, "SC": warm.program(), "PYTHONPATH": str(warm.SRC)},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    assert done.stdout.splitlines()[0] == "nobody nogroup 750", done
    assert done.stdout.splitlines()[-2:] == ["1", "/mnt/place"]
    assert not Path("/mnt/place").exists()


def test_a_signal_to_a_fork_arrives(tmp_path: Path) -> None:
    console = Console(tmp_path / "home")
    console.sure("init")
    with closing(console):
        master = console.start_master()

        master.send_signal(signal.SIGTERM)

        assert master.wait(DEADLINE_SECONDS) == 0
