"""One table of what a person can decide about a task: option, field of `TaskDefinition`, kind of value, help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import click

from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition
from smart_cron.faces.cli.options import NOTHING, Assignment, ExitCodes, OptionalNumber, OptionalText, Span

LIMIT = "limits."
NUMBER, TEXT = OptionalNumber(), OptionalText()
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One option. `field` is the attribute of the definition, or `limits.` and that of its limits."""

    field: str
    option: str
    kind: Any
    help: str

    @property
    def parameter(self) -> str:
        """The name under which click hands the value over."""
        return self.field.replace(".", "_")

    def decorator(self) -> Decorator:
        """Return the click option. Its default is None always: not given is not the same as the default."""
        if self.kind is bool:
            return click.option(self.option, self.parameter, default=None, help=self.help)
        return click.option(self.option, self.parameter, type=self.kind, default=None, help=self.help)


def _choice(words: Any) -> click.Choice[str]:
    return click.Choice([str(word) for word in words])


def _field(field: str, option: str, kind: Any, help_line: str) -> Field:
    return Field(field=field, option=option, kind=kind, help=help_line)


FIELDS = (
    _field("script", "--script", str, "Absolute path of what to run."),
    _field("shell_command", "--command", str, "A command for 'sh -c', in place of a script."),
    _field("stdin_text", "--stdin", TEXT, "Text that the task reads from its standard input."),
    _field("schedule", "--schedule", str, "Five cron fields such as '0 2 * * *', or @daily, @reboot."),
    _field("time_zone", "--zone", TEXT, "Time zone of the schedule [default: the configured one]."),
    _field("description", "--description", str, "What the task does."),
    _field("priority", "--priority", int, "1 (first) to 10 (last) [default: 5]."),
    _field("timeout", "--timeout", Span(), "Longest run, like 300, 90s, 5m, 2h [default: 1h]."),
    _field("kill_grace", "--kill-grace", Span(), "Time between SIGTERM and SIGKILL [default: 10s]."),
    _field("enabled", "--enabled/--disabled", bool, "Whether its slots are run [default: enabled]."),
    _field("on_missed", "--on-missed", _choice(OnMissed), "What becomes of missed slots [default: latest]."),
    _field("on_overlap", "--on-overlap", _choice(OnOverlap), "What a slot does while the task runs [default: skip]."),
    _field("start_deadline", "--start-deadline", Span(optional=True), "How late a slot may start [default: none]."),
    _field("max_retries", "--max-retries", int, "How often a failed slot is tried again [default: 0]."),
    _field("retry_delay", "--retry-delay", Span(), "Wait before the first retry; doubles each time [default: 60s]."),
    _field("retry_lost", "--retry-lost/--no-retry-lost", bool, "Also retry runs that nobody saw end [default: no]."),
    _field("failure_threshold", "--failure-threshold", int, "Failed slots in a row until an alarm [default: 5]."),
    _field("success_exit_codes", "--success-exit-codes", ExitCodes(), "Codes that mean success [default: 0]."),
    _field("group", "--group", TEXT, "Group whose limit the task shares."),
    _field("node_tag", "--node-tag", TEXT, "Run only on nodes with this tag."),
    _field("run_as", "--run-as", TEXT, "User to run as [default: the master's]."),
    _field("working_directory", "--working-directory", TEXT, "Where it starts [default: the user's home]."),
    _field("umask", "--umask", TEXT, "Octal file mode mask [default: 022]."),
    _field("limits.memory_mb", "--memory-mb", NUMBER, "Memory of the whole process tree, or none."),
    _field("limits.cpu_seconds", "--cpu-seconds", NUMBER, "CPU time, or none."),
    _field("limits.open_files", "--open-files", NUMBER, "Open files, or none."),
    _field("limits.processes", "--processes", NUMBER, "Processes, or none."),
    _field("limits.output_bytes", "--output-bytes", int, "Output kept of each stream [default: 10000000]."),
    _field("limits.nice", "--nice", int, "Niceness, -20 to 19 [default: 0]."),
    _field("sandbox", "--sandbox", _choice(Sandbox), "How far it is walled off [default: standard]."),
    _field("sandbox_network", "--network/--no-network", bool, "Leave the strict sandbox the network [default: leave]."),
    _field(
        "keep_processes", "--keep-processes/--end-processes", bool, "Let what it leaves behind live [default: end]."
    ),
    _field("merge_output", "--merge-output/--split-output", bool, "One pipe, exact order [default: split]."),
    _field("alert_on_failure", "--alert/--no-alert", bool, "Raise alerts when it fails [default: alert]."),
    _field("alert_email", "--alert-email", TEXT, "Where alerts are mailed to."),
    _field("alert_slack_webhook", "--alert-slack-webhook", TEXT, "Slack webhook for alerts."),
    _field("ping_url", "--ping-url", TEXT, "Address that hears of each start and end (a dead-man's switch)."),
    _field("anomaly_tolerance", "--anomaly-tolerance", float, "Deviations from its past until told, 0: never."),
)
LISTS = (
    click.option("--arg", "arguments", multiple=True, help="An argument of the script; repeat it for each."),
    click.option("--env", "environment", multiple=True, type=Assignment(), help="NAME=VALUE; repeat it for each."),
)


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for every field of a task."""
    decorators = [*(field.decorator() for field in FIELDS), *LISTS]
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def given(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, by attribute, with empty ones as None."""
    values = {field.field: parameters.get(field.parameter) for field in FIELDS}
    found = {name: _emptied(value) for name, value in values.items() if value is not None}
    if parameters.get("arguments"):
        found["arguments"] = tuple(parameters["arguments"])
    if parameters.get("environment"):
        found["environment"] = dict(parameters["environment"])
    return found


def _emptied(value: Any) -> Any:
    return None if value is NOTHING else value


def new_definition(name: str, values: Mapping[str, Any]) -> TaskDefinition:
    """Return a definition of the given fields; the others have their defaults."""
    empty = TaskDefinition(name=name, schedule="")
    return changed_definition(empty, values)


def changed_definition(definition: TaskDefinition, values: Mapping[str, Any]) -> TaskDefinition:
    """Return the definition with the given fields changed and nothing else.

    A script takes a command's place and the other way round; environment variables are added to those there are.
    """
    limits = {name.removeprefix(LIMIT): value for name, value in values.items() if name.startswith(LIMIT)}
    own = {name: _typed(name, value) for name, value in values.items() if not name.startswith(LIMIT)}
    if own.get("script") and not own.get("shell_command"):
        own["shell_command"] = None
    if own.get("shell_command") and not own.get("script"):
        own["script"] = None
    if "environment" in own:
        own["environment"] = {**definition.environment, **own["environment"]}
    return replace(definition, **own, limits=replace(definition.limits, **limits))


WORDS: dict[str, Any] = {"on_missed": OnMissed, "on_overlap": OnOverlap, "sandbox": Sandbox}


def _typed(name: str, value: Any) -> Any:
    return WORDS[name](value) if name in WORDS else value


def differences(before: TaskDefinition, after: TaskDefinition) -> dict[str, tuple[Any, Any]]:
    """Return what changed, by field, as (before, after)."""
    found = {}
    for holder_before, holder_after, names in (
        (before, after, [field.name for field in fields(TaskDefinition) if field.name != "limits"]),
        (before.limits, after.limits, [field.name for field in fields(Limits)]),
    ):
        for name in names:
            old, new = getattr(holder_before, name), getattr(holder_after, name)
            if old != new:
                found[name] = (old, new)
    return found
