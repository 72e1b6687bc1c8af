"""`smart-cron task`: the commands on tasks."""

from __future__ import annotations

import click

from smart_cron.faces.cli.lazy import LazyGroup

COMMANDS = {
    "add": ("task_define:add", "Define a task."),
    "list": ("task_list:list_tasks", "List tasks with their last and next runs."),
    "show": ("task_show:show", "Show everything about a task."),
    "edit": ("task_define:edit", "Change a task: only what the options name."),
    "enable": ("task_switch:enable", "Let a task's slots run."),
    "disable": ("task_switch:disable", "Let no slot of a task run."),
    "remove": ("task_switch:remove", "Delete tasks; their history stays."),
    "run": ("task_run:run_task", "Run a task now, beside its schedule."),
    "next": ("task_times:next_slots", "Show when a task runs next."),
    "history": ("task_times:history", "Show a task's runs, and slots that did not run."),
    "diff": ("task_revisions:diff", "Show what differs between two saved definitions of a task."),
    "rollback": ("task_revisions:rollback", "Give a task the definition that it had before."),
    "held": ("task_held:held", "Decide on slots that wait for a person."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def task() -> None:
    """Define, change, run and list tasks."""
