"""`service install` and `uninstall` as root of a mount namespace of its own, so that this machine keeps its folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests import warm
from tests.process.cli import DEADLINE_SECONDS, SRC

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make the namespaces; refusals are tested as others"),
]

# /etc with nothing but accounts, /var and /run with nothing; all of it vanishes with the namespace. A `systemctl` of
# our own notes what it was told: where systemd is not the first process, the real one could only refuse.
STAGE = r"""
set -eu
mount --make-rprivate /
mkdir "$1/etc" "$1/bin"; cp /etc/passwd /etc/group "$1/etc"; mount --bind "$1/etc" /etc
mount -t tmpfs -o mode=755 none /var; mkdir -p /var/spool/cron/crontabs
mount -t tmpfs -o mode=755 none /run; ln -s /run /var/run
printf '#!/bin/sh\necho "$@" >> %s\n' "$1/told" > "$1/bin/systemctl"; chmod 755 "$1/bin/systemctl"
PATH=$1/bin:$PATH TOLD=$1/told
shift
eval "$1"
"""
UNITS = "/etc/systemd/system/smart-cron-taskrunner.service /etc/systemd/system/smart-cron.service"


def staged(tmp_path: Path, script: str) -> list[str]:
    """Run a shell script as root of a mount namespace and return its lines; `$SC` is the command."""
    assert all(map(shutil.which, ("unshare", "crontab", "systemd-analyze"))), "'./check' installs what tests need"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SMART_CRON_")}
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", STAGE, "stage", str(tmp_path), script],
        env={**kept, "PYTHONPATH": str(SRC), "SC": warm.program(), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    script = f"""$SC init --user > /dev/null
        $SC service install --systemd > /dev/null
        systemd-analyze verify {UNITS} 2>&1
        stat -c '%U %G %a' {UNITS}; grep -h ^User= {UNITS}"""

    assert staged(tmp_path, script) == ["root root 644"] * 2 + ["User=www-data"] * 2


def test_systemd_finds_no_fault_in_the_units_of_a_home_with_an_odd_name(tmp_path: Path) -> None:
    script = f"""export SMART_CRON_HOME='/var/my 50% $x "home"'
        $SC init > /dev/null; $SC service install --systemd > /dev/null
        systemd-analyze verify {UNITS} 2>&1; grep -h SMART_CRON_HOME {UNITS}"""

    assert staged(tmp_path, script) == [r'Environment="SMART_CRON_HOME=/var/my 50%% $x \"home\""'] * 2


def test_without_a_running_systemd_the_next_steps_are_printed(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; $SC service install --systemd | grep '^  '
        $SC service uninstall; test ! -e $TOLD"""

    assert staged(tmp_path, script) == [
        "  systemctl daemon-reload",
        "  systemctl enable --now smart-cron-taskrunner.service smart-cron.service",
        "removed /etc/systemd/system/smart-cron.service",
        "removed /etc/systemd/system/smart-cron-taskrunner.service",
    ]


def test_where_systemd_is_the_first_process_it_is_told_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    script = f"""mkdir -p /run/systemd/system; $SC init --user > /dev/null
        $SC service install > /dev/null; stat -c %i-%Y {UNITS} > $TOLD.before
        $SC service install; stat -c %i-%Y {UNITS} | cmp - $TOLD.before
        $SC service uninstall > /dev/null; $SC service uninstall; ls /etc/systemd/system; cat $TOLD"""

    units, backwards = (
        "smart-cron-taskrunner.service smart-cron.service",
        "smart-cron.service smart-cron-taskrunner.service",
    )
    assert staged(tmp_path, script) == [
        "The units were installed already; they are at work.",
        "Nothing of 'service install' is here.",
        "daemon-reload",
        f"enable --now {units}",
        f"enable --now {units}",
        f"disable --now {backwards}",
        "daemon-reload",
    ]


def test_a_dry_run_shows_the_units_and_writes_none(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; $SC service install --systemd --dry-run; ls -A /etc/systemd 2>&1 || true
        $SC service install --systemd > /dev/null; $SC service uninstall --dry-run; ls /etc/systemd/system"""

    lines = staged(tmp_path, script)

    assert "would write /etc/systemd/system/smart-cron.service:" in lines
    assert "KillMode=process" in lines
    assert lines[-7:] == [
        "Nothing was done.",
        "ls: cannot access '/etc/systemd': No such file or directory",
        "would remove /etc/systemd/system/smart-cron.service",
        "would remove /etc/systemd/system/smart-cron-taskrunner.service",
        "Nothing was done.",
        "smart-cron-taskrunner.service",
        "smart-cron.service",
    ]


def test_units_of_somebody_else_stay(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; mkdir -p /etc/systemd/system; cd /etc/systemd/system
        echo '[Unit]' > smart-cron.service; $SC service install --systemd 2>&1 || echo $?
        $SC service uninstall; cat *"""

    said, code, removed, left = staged(tmp_path, script)

    assert "/etc/systemd/system/smart-cron.service is there and was not written by Smart Cron." in said
    assert (code, removed, left) == ("1", "Nothing of 'service install' is here.", "[Unit]")


def test_units_need_root_and_a_crontab_of_ones_own_does_not(tmp_path: Path) -> None:
    # `crontab` is setgid; the spool of this stage is as Debian's.
    script = """chgrp crontab /var/spool/cron/crontabs; chmod 1730 /var/spool/cron/crontabs
        $SC init --user > /dev/null; as="setpriv --reuid www-data --regid www-data --clear-groups"
        $as $SC service install --systemd 2>&1 || echo $?
        $as $SC service install | head -1; $as $SC service install; crontab -u www-data -l | grep -c 'master --once'
        $SC service install --systemd > /dev/null; $as $SC service uninstall 2>&1 || echo $?"""

    refused, code, wrote, again, count, not_removed, last = staged(tmp_path, script)

    assert "only root can install systemd units. Call it with sudo, or with --crontab" in refused
    assert (code, wrote) == ("1", "wrote into the crontab of www-data:")
    assert (again, count) == ("The lines are in the crontab of www-data already.", "1")
    assert ("only root can remove systemd units" in not_removed, last) == (True, "1")


def test_the_lines_join_a_crontab_and_leave_it_byte_for_byte(tmp_path: Path) -> None:
    script = r"""$SC init --user > /dev/null
        printf 'MAILTO=x\n\n# \377 \n0 2 * * * echo 50\\%%\n' > /var/before; crontab -u www-data /var/before
        $SC service install --dry-run > /dev/null; crontab -u www-data -l | cmp - /var/before
        $SC service install > /dev/null; crontab -u www-data -l | cat -v
        $SC service uninstall; crontab -u www-data -l | cmp - /var/before"""

    lines = staged(tmp_path, script)

    assert lines[:4] == ["MAILTO=x", "", "# M-^? ", r"0 2 * * * echo 50\%"]
    assert lines[5].endswith("master --once >> /var/log/smart-cron/master.log 2>&1")
    assert lines[-1] == "took Smart Cron's lines out of the crontab of www-data"


def test_a_crontab_that_was_made_for_the_lines_goes_with_them(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; $SC service install > /dev/null; ls /var/spool/cron/crontabs
        $SC service uninstall > /dev/null; ls /var/spool/cron/crontabs"""

    assert staged(tmp_path, script) == ["www-data"]


def test_without_a_crontab_command_the_lines_are_printed_and_the_call_fails(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; mount --bind /var /usr/bin
        $SC service install 2>&1 || echo $?; $SC service uninstall"""

    lines = staged(tmp_path, script)

    assert "master --once" in lines[1]
    assert lines[2].startswith("*/5 * * * * ")
    assert lines[3].startswith("0 2 * * * ")
    assert "this machine has no 'crontab' command, so nothing was installed." in lines[5]
    assert lines[6:] == ["1", "Nothing of 'service install' is here."]


def test_without_a_home_and_for_another_user_the_remedy_is_told(tmp_path: Path) -> None:
    script = """$SC service install 2>&1 || echo $?; $SC init --user > /dev/null
        $SC service install --user nobody 2>&1 || echo $?; $SC service install --user www-data --dry-run | head -1"""

    no_home, first, other, second, right = staged(tmp_path, script)

    assert "Run 'smart-cron init', or set SMART_CRON_HOME." in no_home
    assert "/var/lib/smart-cron belongs to www-data, so www-data runs its tasks and not 'nobody'." in other
    assert (first, second, right) == ("1", "1", "would write into the crontab of www-data:")


def test_settings_of_this_shell_are_named_and_their_values_are_not(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null
        export SMART_CRON_DATABASE__URL=sqlite:////var/canary.db SMART_CRON_DEBUG=1
        $SC service install --dry-run 2>&1 > /dev/null"""

    (line,) = staged(tmp_path, script)

    assert "unknown to what was installed: SMART_CRON_DATABASE__URL. Set it in /etc/smart-cron/smart-cron.toml" in line
    assert "canary" not in line


def test_the_task_runners_unit_asks_for_a_home_before_it_starts_one(tmp_path: Path) -> None:
    no_home, code = staged(tmp_path, "$SC service task-runner 2>&1 || echo $?; test ! -e /var/lib/smart-cron")

    assert ("there is no Smart Cron in" in no_home, code) == (True, "1")


def test_recover_has_systemd_start_the_units_that_are_down(tmp_path: Path) -> None:
    script = """mkdir -p /run/systemd/system; $SC init --user > /dev/null; $SC service install > /dev/null
        export SMART_CRON_START_TASK_RUNNER=0; : > $TOLD
        $SC recover --dry-run | grep -A1 -e ^Master -e '^Task runner'; test ! -s $TOLD
        $SC recover --yes | grep -A1 -e ^Master; cat $TOLD"""

    assert staged(tmp_path, script) == [
        "Task runner: none is running.",
        "  Would start its unit (systemctl start smart-cron-taskrunner.service).",
        "Master: none works on this node, so nothing is started by it.",
        "  Would start its unit (systemctl start smart-cron.service).",
        "Master: none works on this node, so nothing is started by it.",
        "  systemd has started smart-cron.service.",
        "start smart-cron-taskrunner.service",
        "start smart-cron.service",
    ]


def test_recover_leaves_the_master_to_the_crontab_that_starts_one(tmp_path: Path) -> None:
    script = """$SC init --user > /dev/null; $SC service install --crontab > /dev/null
        $SC recover --dry-run | grep -A1 ^Master"""

    assert staged(tmp_path, script) == [
        "Master: none works at this moment; a line in the crontab of www-data starts one by itself."
    ]
