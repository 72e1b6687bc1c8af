"""`smart-cron service task-runner`: what the task runner's unit starts."""

from __future__ import annotations

import os

import click

from smart_cron.faces.cli.session import Session, pass_session

# What the task runner keeps of its unit's environment: where to say that it is ready. Tasks get none of it.
KEPT = ("NOTIFY_SOCKET",)


@click.command("task-runner")
@pass_session
def task_runner(session: Session, /) -> None:
    """Be this node's task runner, in the foreground, for its unit.

    It takes the place of this command, asks for no database, and ends after SIGTERM once its last run is over. The
    unit names this command and not the task runner itself, so that an upgrade needs no other unit.
    """
    from smart_cron.taskrunner.client import ENVIRONMENT
    from smart_cron.wiring import task_runner_command

    command = task_runner_command(session.config())
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    os.execve(command[0], command, {**ENVIRONMENT, **kept})  # noqa: S606  no shell is what we want
