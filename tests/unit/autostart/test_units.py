"""The text of the units: who is started how, and nothing that a path could break out of."""

from __future__ import annotations

from pathlib import Path

import pytest

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart import MASTER_UNIT, TASK_RUNNER_UNIT, Startup, unit_texts
from smart_cron.services.autostart.units import is_ours


def startup(**changes: object) -> Startup:
    values = {
        "program": ("/srv/venv/bin/smart-cron",),
        "user": "www-data",
        "home": None,
        "run_dir": Path("/var/run/smart-cron"),
        "log_dir": Path("/var/log/smart-cron"),
        "written": (Path("/var/lib/smart-cron"), Path("/var/log/smart-cron")),
    }
    return Startup(**{**values, **changes})  # type: ignore[arg-type]


def lines(unit: str, **changes: object) -> list[str]:
    return unit_texts(startup(**changes))[unit].splitlines()


def value(unit: str, key: str, **changes: object) -> list[str]:
    return [line.partition("=")[2] for line in lines(unit, **changes) if line.startswith(f"{key}=")]


def test_the_task_runner_is_told_to_end_and_never_killed() -> None:
    wanted = {
        "Type=notify",
        "KillMode=process",
        "SendSIGKILL=no",
        "Delegate=yes",
        "OOMPolicy=continue",
        "RuntimeDirectory=smart-cron",
        "RuntimeDirectoryMode=0750",
        "RuntimeDirectoryPreserve=yes",
        "Restart=always",
        "User=www-data",
        "ExecStart=/srv/venv/bin/smart-cron service task-runner",
    }

    assert wanted <= set(lines(TASK_RUNNER_UNIT))


def test_the_task_runner_is_not_sandboxed_since_tasks_would_inherit_it() -> None:
    closing = ("Protect", "Private", "Restrict", "NoNewPrivileges", "Capability", "SystemCall", "ReadOnly", "Lock")

    assert not [line for line in lines(TASK_RUNNER_UNIT) if line.startswith(closing)]


def test_the_master_starts_after_the_task_runner_and_forks_none() -> None:
    assert value(MASTER_UNIT, "ExecStart") == ["/srv/venv/bin/smart-cron master"]
    assert value(MASTER_UNIT, "Environment") == ["SMART_CRON_START_TASK_RUNNER=0"]
    assert value(MASTER_UNIT, "Wants") == [TASK_RUNNER_UNIT]
    assert TASK_RUNNER_UNIT in value(MASTER_UNIT, "After")[0].split()
    assert {"Restart=always", "ExecReload=/bin/kill -HUP $MAINPID"} <= set(lines(MASTER_UNIT))


@pytest.mark.parametrize("unit", [MASTER_UNIT, TASK_RUNNER_UNIT])
def test_a_home_of_its_own_is_handed_on(unit: str) -> None:
    assert "SMART_CRON_HOME=/srv/home" in value(unit, "Environment", home=Path("/srv/home"))
    assert not [line for line in lines(unit) if "SMART_CRON_HOME" in line]


@pytest.mark.parametrize("unit", [MASTER_UNIT, TASK_RUNNER_UNIT])
def test_both_units_carry_the_mark_that_uninstall_looks_for(unit: str) -> None:
    assert is_ours(unit_texts(startup())[unit])
    assert not is_ours("[Unit]\n" + unit_texts(startup())[unit])


@pytest.mark.parametrize(
    ("run_dir", "made"),
    [
        ("/run/smart-cron", ["smart-cron"]),
        ("/var/run/a/b", ["a/b"]),
        ("/srv/home/run", []),
        ("/runner/smart-cron", []),
        ("/run", []),
    ],
)
def test_systemd_makes_the_run_folder_only_below_run(run_dir: str, made: list[str]) -> None:
    assert value(TASK_RUNNER_UNIT, "RuntimeDirectory", run_dir=Path(run_dir)) == made


def test_only_what_would_be_closed_to_the_master_is_opened() -> None:
    written = tuple(map(Path, ("/var/lib/sc", "/home/a/sc", "/usr/local/sc", "/home/a/sc", "/homes/b")))

    assert value(MASTER_UNIT, "ReadWritePaths", written=written) == ["-/home/a/sc", "-/usr/local/sc"]


def test_a_path_is_one_word_and_no_specifier_or_variable() -> None:
    program = ('/srv/a b%c$d\\e"f/python', "-m", "smart$cron")

    assert value(MASTER_UNIT, "ExecStart", program=program) == ['"/srv/a b%%c$d\\\\e\\"f/python" -m smart$$cron master']
    assert value(TASK_RUNNER_UNIT, "Environment", home=Path("/srv/a b%")) == ['"SMART_CRON_HOME=/srv/a b%%"']


@pytest.mark.parametrize("path", ["/srv/a\nExecStartPre=/bin/x", "/srv/\x1b", "/srv/\udcff"])
def test_a_path_that_no_unit_can_hold_is_refused(path: str) -> None:
    with pytest.raises(SmartCronError, match="neither a unit nor a crontab line can hold the path"):
        startup(home=Path(path))
