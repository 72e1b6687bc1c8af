"""`task show`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.masking import masked_environment, masked_webhook
from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.task_words import in_words, next_slot, state
from smart_cron.faces.cli.documents import print_json, task_document
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import show_facts
from smart_cron.faces.cli.text import instant_in_full, rate, size, span

if TYPE_CHECKING:
    from smart_cron.config import Config


@click.command()
@click.argument("name")
@json_option
@pass_session
def show(session: Session, /, *, name: str, as_json: bool) -> None:
    """Show everything about a task.

    Values of environment variables whose names speak of secrets are hidden.
    """
    from smart_cron.core.zones import zone

    with session.house() as house:
        task = house.store.tasks.get(name)
        place, config = zone(house.config.time_zone), house.config
        next_run_at = next_slot(task, house.clock.now(), place)
    if as_json:
        print_json(task_document(task))
        return
    facts = [*_definition_facts(task.definition, config), *_state_facts(task, next_run_at, place)]
    show_facts([("Task", f"{task.name} (number {task.id})"), *facts])


def _definition_facts(d: TaskDefinition, config: Config) -> Iterator[tuple[str, str]]:
    yield from _given("Description", d.description)
    yield ("Script", d.script) if d.script else ("Command", d.shell_command or "–")
    yield from _given("Arguments", " ".join(f"'{argument}'" for argument in d.arguments))
    yield from _given("Standard input", d.stdin_text)
    yield "Schedule", f"{d.schedule}  ({in_words(d.schedule)})"
    yield "Time zone", d.time_zone or f"{config.time_zone} (configured)"
    yield "Priority", str(d.priority)
    yield "Timeout", f"{span(d.timeout)}, then {span(d.kill_grace)} to end by itself"
    yield "When missed", str(d.on_missed) + (f", at most {span(d.start_deadline)} late" if d.start_deadline else "")
    yield "On overlap", str(d.on_overlap)
    yield "Retries", _retries(d)
    yield "Success is", "exit code " + ", ".join(map(str, d.success_exit_codes))
    yield from _surroundings(d)
    yield from _alerts(d, config)
    yield from _given("Pings", masked_webhook(d.ping_url))
    yield from _given("Imported from", d.origin)


def _retries(d: TaskDefinition) -> str:
    if not d.max_retries:
        return "none"
    return f"{d.max_retries}, the first after {span(d.retry_delay)}" + (", lost runs too" if d.retry_lost else "")


def _surroundings(d: TaskDefinition) -> Iterator[tuple[str, str]]:
    limits = d.limits
    yield from _given("Group", d.group)
    yield from _given("Node tag", d.node_tag)
    yield from _given("Runs as", d.run_as)
    yield from _given("Directory", d.working_directory)
    yield from _given("umask", d.umask)
    for name, value in masked_environment(d.environment).items():
        yield "Environment", f"{name}={value}"
    yield from _given("Memory", limits.memory_mb and f"{limits.memory_mb} MB")
    yield from _given("CPU time", limits.cpu_seconds and span(limits.cpu_seconds))
    yield from _given("Open files", limits.open_files)
    yield from _given("Processes", limits.processes)
    yield from _given("Nice", limits.nice)
    yield "Output kept", f"{size(limits.output_bytes)} a stream" + (", merged" if d.merge_output else "")
    yield "Sandbox", str(d.sandbox) + ("" if d.sandbox_network else ", no network")
    if d.keep_processes:
        yield "Left behind", "processes live on"


def _alerts(d: TaskDefinition, config: Config) -> Iterator[tuple[str, str]]:
    if not d.alert_on_failure:
        yield "Alerts", "none"
        return
    usual = f"{config.alert_email} (alert_email of the settings)" if config.alert_email else None
    asking = f"the channels that ask for them: {', '.join(config.channels)}" if config.channels else None
    places = (d.alert_email or usual, masked_webhook(d.alert_slack_webhook), asking)
    yield "Alerts", ", ".join(filter(None, places)) or "shown, and sent to nobody"
    yield "Threshold", f"{d.failure_threshold} failed slots in a row"


def _given(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if value:
        yield name, str(value)


def _state_facts(task: Task, next_run_at: datetime | None, place: tzinfo) -> Iterator[tuple[str, str]]:
    yield "State", state(task)
    yield from _given("Invalid", task.invalid_reason)
    yield "Last outcome", task.last_status or "–"
    yield "Last run", instant_in_full(task.last_run_at, zone=place)
    yield "Next run", instant_in_full(next_run_at, zone=place)
    yield "Failed in a row", str(task.consecutive_failures)
    total, good, bad = task.total_executions, task.total_successes, task.total_failures
    yield "Executions", f"{total}: {good} well, {bad} not ({rate(good, total)})"
    yield "Average time", span(task.avg_execution_time)
