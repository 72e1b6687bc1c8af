"""`task add` and `task edit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.masking import masked_environment, masked_webhook
from smart_cron.core.revision_words import ADDRESSES
from smart_cron.core.task import TaskDefinition
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.fields import changed_definition, differences, given, new_definition, task_options
from smart_cron.faces.cli.instants import require_reach
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.task_check import require_sound
from smart_cron.faces.cli.text import printable, span

if TYPE_CHECKING:
    from smart_cron.wiring import House


@click.command()
@click.argument("name")
@task_options
@dry_run_option
@pass_session
def add(session: Session, /, *, name: str, dry_run: bool, **parameters: Any) -> None:
    """Define a task.

    Exactly one of --script and --command says what to run, --schedule when. Example:

    smart-cron task add backup --script /srv/jobs/backup.sh --schedule '0 2 * * *' --timeout 30m
    """
    values = given(parameters)
    _require_what_and_when(values)
    definition = new_definition(name, values)
    with session.house() as house:
        require_sound(house, definition)
        if not dry_run:
            house.store.tasks.add(definition, actor=session.actor)
        click.echo(f"Task '{name}' {'would be' if dry_run else 'is'} defined: {_timing(house, definition)}.")
        _note_unkept(house, definition)


def _require_what_and_when(values: Mapping[str, Any]) -> None:
    if not values.get("script") and not values.get("shell_command"):
        raise click.UsageError("say what to run, with --script PATH or --command TEXT.")
    if values.get("script") and values.get("shell_command"):
        raise click.UsageError("--script and --command exclude each other.")
    if not values.get("schedule"):
        raise click.UsageError("say when to run it, with --schedule EXPR such as '0 2 * * *'.")


def _timing(house: House, definition: TaskDefinition) -> str:
    from smart_cron.core.schedule import Schedule
    from smart_cron.core.words import describe
    from smart_cron.core.zones import zone

    words = describe(definition.schedule)
    words = words[:1].lower() + words[1:]
    if not definition.enabled:
        return f"{words}, once it is enabled"
    schedule = Schedule.parse(definition.schedule)
    if schedule.is_reboot:
        return words
    place = zone(definition.time_zone or house.config.time_zone)
    slot = schedule.next_after(house.clock.now(), place).astimezone(place)
    return f"{words}, next on {slot:%Y-%m-%d at %H:%M} {place.key}"


@click.command()
@click.argument("name")
@click.option("--name", "new_name", help="Another name.")
@click.option("--unset-env", multiple=True, metavar="NAME", help="Remove an environment variable.")
@click.option("--no-args", is_flag=True, help="Remove all arguments.")
@click.option(
    "--next-run-at",
    type=click.DateTime(["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"]),
    help="The next slot, by hand, in the task's time zone; the pattern goes on after it.",
)
@task_options
@dry_run_option
@pass_session
def edit(session: Session, /, *, name: str, dry_run: bool, **parameters: Any) -> None:
    """Change a task: only what the options name.

    An empty text ('') or 'none' clears what may be empty; --env adds to the variables there are, --arg replaces all
    arguments.
    """
    values = given(parameters)
    _require_change(values, parameters)
    if (at := parameters["next_run_at"]) is not None:
        require_reach(at, f"{at:%Y-%m-%d %H:%M}", option="--next-run-at")
    with session.house() as house:
        task = house.store.tasks.get(name)
        definition = _edited(task.definition, values, parameters)
        require_sound(house, definition)
        changed = differences(task.definition, definition)
        if not dry_run:
            _save(house, session, task.id, definition, parameters["next_run_at"])
        _tell(task.name, changed, parameters["next_run_at"], dry_run=dry_run)
        if definition.limits != task.definition.limits:
            _note_unkept(house, definition)


def _require_change(values: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    others = ("new_name", "unset_env", "no_args", "next_run_at")
    if not values and not any(parameters[name] for name in others):
        raise click.UsageError("say what to change, for example --timeout 5m.")


def _edited(definition: TaskDefinition, values: Mapping[str, Any], parameters: Mapping[str, Any]) -> TaskDefinition:
    edited = changed_definition(definition, values)
    environment = {key: value for key, value in edited.environment.items() if key not in parameters["unset_env"]}
    arguments = () if parameters["no_args"] else edited.arguments
    new_name = parameters["new_name"] or definition.name
    return replace(edited, name=new_name, environment=environment, arguments=arguments)


def _save(house: House, session: Session, task_id: int, definition: TaskDefinition, next_run_at: Any) -> None:
    from smart_cron.core.zones import zone

    with house.store.database.transaction():
        task = house.store.tasks.replace(task_id, definition, actor=session.actor)
        if next_run_at is not None:
            place = zone(definition.time_zone or house.config.time_zone)
            house.store.tasks.set_next_run(task.id, next_run_at.replace(tzinfo=place), actor=session.actor)


def _tell(name: str, changed: Mapping[str, tuple[Any, Any]], next_run_at: Any, *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "is"
    if not changed and next_run_at is None:
        click.echo(f"Task '{name}' {verb} as it was: nothing differs.")
        return
    click.echo(f"Task '{name}' {verb} changed:")
    for field, (before, after) in changed.items():
        click.echo(f"  {field}: {_shown(field, before)} -> {_shown(field, after)}")
    if next_run_at is not None:
        click.echo(f"  next_run_at: {next_run_at:%Y-%m-%d %H:%M:%S}")


def _note_unkept(house: House, definition: TaskDefinition) -> None:
    """Say of limits, as soon as they are set, which this machine may not be able to keep."""
    if house.is_remote:
        return
    from smart_cron.home import account_name, service_uid

    limits, owner = definition.limits, service_uid(house.config)
    if limits.processes is not None:
        note(
            f"Note: the limit of {limits.processes} processes is kept only where the task runner has a cgroup of its "
            "own; 'smart-cron doctor' says whether it has."
        )
    if limits.nice < 0 and owner != 0:
        note(f"Note: nice {limits.nice} is not kept: only root may raise a priority, not {account_name(owner)}.")


def _shown(field: str, value: Any) -> str:
    if value is None or value in ("", ()):
        return "none"
    if field == "environment":
        return printable(masked_environment(value))
    if field in ADDRESSES:
        return printable(masked_webhook(value))
    if hasattr(value, "total_seconds"):
        return span(value)
    return printable(" ".join(map(str, value)) if isinstance(value, tuple) else value)
