"""`smart-cron run` (alias `execution`): the commands on runs."""

from __future__ import annotations

import click

from smart_cron.faces.cli.lazy import LazyGroup

COMMANDS = {
    "list": ("run_list:list_runs", "List runs of all tasks, newest first."),
    "show": ("run_show:show", "Show what is known of a run, and the end of its output."),
    "logs": ("run_logs:logs", "Print a run's output as it was printed."),
    "kill": ("run_change:kill", "End runs with all their processes."),
    "retry": ("run_change:retry", "Run a run's task again, with the same arguments."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def run() -> None:
    """Look at runs, follow their output, end or repeat them."""
