"""A claim becomes an order: what the task runner is told, complete, so that it need know nothing else."""

from __future__ import annotations

import os
import pwd
import shlex
from dataclasses import replace
from datetime import datetime
from typing import Any

from smart_cron.core import builtin
from smart_cron.core.run import Claim
from smart_cron.core.task import Limits, TaskDefinition
from smart_cron.engine.settings import EngineSettings

MEGABYTE = 1024 * 1024


class OrderBook:
    """Writes orders; looks each account up once until `forget_accounts`."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._accounts: dict[str | None, dict[str, str]] = {}

    def adopt(self, settings: EngineSettings) -> None:
        """Use other settings from the next order on."""
        self._settings = settings
        self.forget_accounts()

    def forget_accounts(self) -> None:
        """Look users up afresh: accounts change while we run."""
        self._accounts.clear()

    def order(self, claim: Claim) -> dict[str, Any]:
        """Return the order for *claim*; keys as in the task runner's protocol, instants in epoch microseconds."""
        if builtin.is_builtin(claim.task):
            claim = replace(claim, task=self._own(claim.task))
        task, settings = claim.task, self._settings
        slot = claim.scheduled_for
        return {
            "run_id": claim.run_id,
            "execution_id": claim.execution_id,
            "task_id": claim.task_id,
            "task": task.name,
            "attempt": claim.attempt,
            "triggered_by": str(claim.triggered_by),
            "scheduled_for": None if slot is None else epoch_microseconds(slot),
            "incarnation": claim.incarnation,
            "launch_deadline": claim.launch_deadline,
            "script": task.script,
            "shell_command": task.shell_command,
            "arguments": task.arguments,
            "stdin": task.stdin_text,
            "environment": self._environment(claim),
            "working_directory": task.working_directory,
            "umask": None if task.umask is None else int(task.umask, 8),
            "run_as": task.run_as,
            "timeout_seconds": task.timeout.total_seconds(),
            "kill_grace_seconds": task.kill_grace.total_seconds(),
            "nice": task.limits.nice,
            "limits": _limits(task),
            "merge_output": task.merge_output,
            "keep_processes": task.keep_processes,
            "sandbox": str(task.sandbox),
            "sandbox_network": task.sandbox_network,
            "script_directories": settings.script_directories,
            "output_path": f"{settings.output_root}/{claim.claimed_at:%Y-%m-%d}/{claim.run_id}.out",
        }

    def _own(self, task: TaskDefinition) -> TaskDefinition:
        """Return one of our own tasks with what it runs: of the row count its times, and nothing else."""
        command = shlex.join([*self._settings.program, *builtin.COMMANDS[task.name]])
        return TaskDefinition(
            name=task.name,
            schedule=task.schedule,
            shell_command=f"exec {command}",
            environment=self._settings.program_environment,
            timeout=task.timeout,
            kill_grace=task.kill_grace,
            working_directory="/",
            limits=Limits(nice=max(task.limits.nice, 0)),
            origin=task.origin,
        )

    def _environment(self, claim: Claim) -> dict[str, str]:
        task = claim.task
        account = self._accounts.get(task.run_as)
        if account is None:
            account = self._accounts[task.run_as] = _account_environment(task.run_as)
        environment = {
            "PATH": self._settings.task_path,
            **account,
            "LANG": self._settings.task_lang,
            "TZ": task.time_zone or self._settings.default_zone,
            **task.environment,
            "SMART_CRON_TASK": task.name,
            "SMART_CRON_ATTEMPT": str(claim.attempt),
            "SMART_CRON_RUN_ID": claim.run_id,
        }
        if claim.scheduled_for is not None:
            environment["SMART_CRON_SCHEDULED_FOR"] = f"{claim.scheduled_for:%Y-%m-%dT%H:%M:%SZ}"
        return environment


def _account_environment(user: str | None) -> dict[str, str]:
    """What cron(8) sets from the account; an unknown user is left to the supervisor, which refuses it in words."""
    try:
        account = pwd.getpwuid(os.geteuid()) if user is None else pwd.getpwnam(user)
    except KeyError:
        return {"HOME": "/", "SHELL": "/bin/sh"}
    return {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name, "SHELL": "/bin/sh"}


def _limits(task: TaskDefinition) -> dict[str, int | None]:
    limits = task.limits
    return {
        "memory_bytes": None if limits.memory_mb is None else limits.memory_mb * MEGABYTE,
        "cpu_seconds": limits.cpu_seconds,
        "open_files": limits.open_files,
        "processes": limits.processes,
        "output_bytes": limits.output_bytes,
    }


def epoch_microseconds(instant: datetime) -> int:
    """Return *instant* as whole microseconds since 1970."""
    return round(instant.timestamp() * 1_000_000)
