"""Definitions are refused with all their faults at once, each with its place and its remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smart_cron.core.task import Limits, Sandbox, TaskDefinition
from smart_cron.core.validation import check_definition

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GOOD = TaskDefinition(name="nightly_report-2", script="/opt/jobs/report.py", schedule="0 2 * * *")


def problems(**changes: Any) -> list[str]:
    return check_definition(replace(GOOD, **changes), now=NOON)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"script": None, "shell_command": "date | tee /tmp/x"},
        {"name": "x" * 100},
        {"priority": 1},
        {"priority": 10},
        {"max_retries": 127},
        {"retry_delay": seconds(0)},
        {"timeout": seconds(1)},
        {"schedule": "@reboot"},
        {"time_zone": "Pacific/Auckland"},
        {"umask": "022"},
        {"umask": "0077"},
        {"run_as": "www-data"},
        {"environment": {"LC_ALL": "C", "_x": ""}},
        {"limits": Limits(memory_mb=512, nice=-20, cpu_seconds=1, open_files=10, processes=5)},
        {"success_exit_codes": (0, 3, 255)},
        {"arguments": ("", "-v", "a b", "$(x)", "né")},
        {"alert_email": "ops@example.org", "alert_slack_webhook": "https://hooks.slack.com/services/T/B/x"},
        {"description": "x" * 500, "group": "db", "node_tag": "eu-1.a", "working_directory": "/srv"},
        {"start_deadline": seconds(600)},
        {"sandbox": Sandbox.STRICT, "sandbox_network": False},
    ],
)
def test_what_is_right_is_let_through(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "task name"),
        ({"name": "x" * 101}, "task name"),
        ({"name": "two words"}, "task name"),
        ({"name": "café"}, "task name"),
        ({"name": "line\n"}, "task name"),
        ({"priority": 0}, "priority must be 1 to 10, got 0"),
        ({"priority": 11}, "priority must be 1 to 10, got 11"),
        ({"timeout": seconds(0)}, "timeout must be 1"),
        ({"timeout": seconds(-5)}, "timeout must be 1"),
        ({"timeout": seconds(1.5)}, "whole seconds"),
        ({"timeout": seconds(2**31)}, "timeout must be 1"),
        ({"kill_grace": seconds(-1)}, "kill grace"),
        ({"max_retries": -1}, "max_retries must be 0 to 127"),
        ({"max_retries": 128}, "max_retries must be 0 to 127"),
        ({"retry_delay": seconds(-1)}, "retry delay"),
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"start_deadline": seconds(0)}, "start deadline"),
        ({"script": "report.py"}, "absolute path"),
        ({"script": "/x\0"}, "NUL"),
        ({"script": "/x\ny"}, "line break"),
        ({"script": "/" + "x" * 255}, "at most 255"),
        ({"script": None}, "exactly one of script and shell command"),
        ({"shell_command": "date"}, "exactly one of script and shell command"),
        ({"script": None, "shell_command": " "}, "shell command is empty"),
        ({"script": None, "shell_command": "a\0b"}, "NUL"),
        ({"script": None, "shell_command": "x" * 70_000}, "more than 65536 bytes"),
        ({"script": None, "shell_command": "date", "arguments": ("x",)}, "arguments go with a script"),
        ({"stdin_text": "x" * 70_000}, "standard input"),
        ({"arguments": ("ok", "a\0b")}, "argument 2 contains a NUL"),
        ({"arguments": ("\udcff",)}, "argument 1"),
        ({"arguments": ("x" * 40_000, "y" * 40_000)}, "more than 65536 bytes"),
        ({"schedule": "0 0 30 2 *"}, "never fire"),
        ({"schedule": "* * * * * *"}, "six fields"),
        ({"time_zone": "Atlantis/Capital"}, "time zone 'Atlantis/Capital'"),
        ({"umask": "888"}, "umask"),
        ({"umask": "22"}, "umask"),
        ({"run_as": "a:b"}, "run_as"),
        ({"working_directory": "srv"}, "absolute path"),
        ({"environment": {"2X": "a"}}, "environment name '2X'"),
        ({"environment": {"A=B": "a"}}, "environment name"),
        ({"environment": {"LD_PRELOAD": "a"}}, "LD_PRELOAD cannot be set"),
        ({"environment": {"SMART_CRON_TASK": "a"}}, "SMART_CRON_TASK cannot be set"),
        ({"environment": {"A": "a\0"}}, "NUL"),
        ({"environment": {"A": "x" * 70_000}}, "the environment takes more"),
        ({"limits": Limits(nice=20)}, "nice must be -20 to 19"),
        ({"limits": Limits(nice=-21)}, "nice must be -20 to 19"),
        ({"limits": Limits(memory_mb=0)}, "memory_mb"),
        ({"limits": Limits(output_bytes=0)}, "output_bytes"),
        ({"success_exit_codes": (256,)}, "success exit code must be 0 to 255"),
        ({"success_exit_codes": (-1,)}, "success exit code must be 0 to 255"),
        ({"success_exit_codes": ()}, "success_exit_codes is empty"),
        ({"description": "x" * 501}, "at most 500"),
        ({"description": "a\0"}, "NUL"),
        ({"group": "a b"}, "group"),
        ({"node_tag": ""}, "node tag"),
        ({"alert_email": "nobody"}, "one address"),
        ({"alert_email": "a@b.c\nBcc: d@e.f"}, "one address"),
        ({"alert_email": "a@b.c\n"}, "one address"),
        ({"alert_email": "a@b.c, d@e.f"}, "one address"),
        ({"alert_email": "x" * 250 + "@b.org"}, "at most 255"),
        ({"alert_slack_webhook": "http://hooks.slack.com/x"}, "https"),
        ({"alert_slack_webhook": "https://"}, "https"),
        ({"alert_slack_webhook": "https://[bad"}, "https"),
        ({"alert_slack_webhook": "https://a/\n"}, "https"),
        ({"alert_slack_webhook": "https://a/" + "x" * 500}, "at most 500"),
        ({"on_missed": "perhaps"}, "on_missed must be one of latest, all, skip, hold"),
        ({"on_overlap": "perhaps"}, "on_overlap must be one of"),
        ({"sandbox": "perhaps"}, "sandbox must be one of"),
        ({"sandbox_network": False}, "sandbox_network 0 needs the sandbox 'strict'"),
        ({"sandbox": Sandbox.STRICT, "keep_processes": True}, "keep_processes needs the sandbox 'standard'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(changes: dict[str, Any], words: str) -> None:
    found = problems(**changes)

    assert any(words in problem for problem in found), found


def test_all_faults_come_at_once() -> None:
    found = problems(name="", priority=0, timeout=seconds(0), schedule="nonsense", time_zone="Nowhere")

    assert len(found) == 5


def test_a_secret_address_is_not_repeated() -> None:
    assert "T0P" not in "".join(problems(alert_slack_webhook="http://hooks.slack.com/T0P"))


def test_no_sentence_carries_control_characters() -> None:
    found = problems(name="\x1b[2J\n", script="\x07", schedule="\x1b", time_zone="\r\n", run_as="\0", umask="\x08")

    assert len(found) >= 6
    assert all(problem.isprintable() for problem in found), found
