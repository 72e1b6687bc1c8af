"""`init --user`: the home for everyone, made in a mount namespace of its own so that this machine keeps its folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests import warm
from tests.process.cli import DEADLINE_SECONDS, SRC

pytestmark = pytest.mark.slow

# /etc with nothing but accounts, an empty /var; both vanish with the namespace.
STAGE = """
set -eu
mount --make-rprivate /
cp /etc/passwd /etc/group "$1"; mount --bind "$1" /etc
mount -t tmpfs -o mode=755 none /var
shift
eval "$1"
"""
OURS = "/etc/smart-cron /etc/smart-cron/smart-cron.toml /var/lib/smart-cron /var/lib/smart-cron/smart-cron.db"


def _staged(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root of a mount namespace; `$SC` is the command."""
    etc = tmp_path / "etc"
    etc.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
    return subprocess.run(
        ["unshare", "--mount", "bash", "-c", STAGE, "stage", str(etc), script],
        env={**kept, "PYTHONPATH": str(SRC), "SC": warm.program()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


def _as_root(tmp_path: Path, script: str) -> list[str]:
    assert os.geteuid() == 0
    assert shutil.which("unshare")
    done = _staged(tmp_path, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can set up for everyone; the refusal is tested")


@needs_root
def test_security_35_settings_are_roots_and_everything_else_the_service_users(tmp_path: Path) -> None:
    lines = _as_root(tmp_path, f"$SC init --user >/dev/null; stat -c '%U %G %a %n' {OURS} /var/log/smart-cron")

    assert lines == [
        "root www-data 750 /etc/smart-cron",
        "root www-data 640 /etc/smart-cron/smart-cron.toml",
        "www-data www-data 750 /var/lib/smart-cron",
        "www-data www-data 640 /var/lib/smart-cron/smart-cron.db",
        "www-data www-data 750 /var/log/smart-cron",
    ]


@needs_root
def test_root_may_ask_and_leaves_nothing_that_the_service_user_cannot_open(tmp_path: Path) -> None:
    script = """$SC init --user nobody >/dev/null
        $SC task add t --command id --schedule @daily; $SC task run t; $SC logs >/dev/null
        find /var -not -user nobody -path '*smart-cron*'
        $SC task run t --wait 2>&1 || $SC master 2>&1 || true"""

    lines = _as_root(tmp_path, script)

    assert not [line for line in lines if line.startswith("/var")]
    assert "belongs to nobody, so its tasks are run by nobody and not by root" in lines[-1]


@needs_root
def test_a_second_call_changes_nothing_and_a_folder_of_somebody_else_is_told(tmp_path: Path) -> None:
    script = """$SC init --user >/dev/null; $SC init --user; $SC init --user --dry-run
        chown nobody /var/log/smart-cron; $SC init --user 2>&1 || true"""

    again, dry, refused = _as_root(tmp_path, script)

    assert again.startswith("Smart Cron is ready for everyone.")
    assert "are there already" in dry
    assert "/var/log/smart-cron belongs to nobody and not to www-data" in refused


@needs_root
def test_an_unknown_user_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    lines = _as_root(tmp_path, "$SC init --user no-such-user 2>&1 || true; ls -A /var")

    assert len(lines) == 1
    assert lines[0].startswith("smart-cron: this machine has no user 'no-such-user'. Make one with 'useradd --system")


def test_only_root_sets_up_for_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    from smart_cron.core.errors import SmartCronError
    from smart_cron.installation import prepare_for_everyone

    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(SmartCronError, match="only root can set Smart Cron up"):
        prepare_for_everyone("www-data")
