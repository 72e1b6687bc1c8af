"""`smart-cron service`."""

from __future__ import annotations

import click

from smart_cron.faces.cli.lazy import LazyGroup

COMMANDS = {
    "install": ("service_install:install", "Have systemd, or else cron, start Smart Cron from now on."),
    "uninstall": ("service_uninstall:uninstall", "Take away what 'service install' wrote, and nothing else."),
    "task-runner": ("service_task_runner:task_runner", "Be this node's task runner, in the foreground, for its unit."),
}


@click.group("service", cls=LazyGroup, lazy=COMMANDS)
def service() -> None:
    """Let systemd or cron start Smart Cron, or no longer."""
