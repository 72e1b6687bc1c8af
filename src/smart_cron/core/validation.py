"""Whether a task may be saved as it was written: every fault at once, each with its place and its remedy.

Only what can be told from the definition itself: files, users and directories are looked at by the rooms that may.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from smart_cron.core.cron_fields import quote
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.schedule import Schedule, zone
from smart_cron.core.task import Limits, OnMissed, OnOverlap, Sandbox, TaskDefinition

MAX_SECONDS = 2**31 - 1  # an INT column
MAX_RETRIES = 127  # a TINYINT column
MAX_CODES = 255  # as the directory, a VARCHAR(255) column
MAX_ARGUMENT_BYTES = 64 * 1024
MAX_ENVIRONMENT_BYTES = 64 * 1024
MAX_STDIN_BYTES = 64 * 1024
MAX_COMMAND_BYTES = 64 * 1024
FORBIDDEN_ENVIRONMENT = ("LD_", "SMART_CRON_")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LABEL = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UMASK = re.compile(r"0?[0-7]{3}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_MAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+")
# What a field is called in a sentence, where that is not its name.
_SAID = {
    "node_tag": "node tag",
    "shell_command": "shell command",
    "stdin_text": "standard input",
    "kill_grace": "kill grace",
    "retry_delay": "retry delay",
    "start_deadline": "start deadline",
    "success_exit_codes": "success exit code",
    "working_directory": "working directory",
}
_WORDS = {"on_missed": OnMissed, "on_overlap": OnOverlap, "sandbox": Sandbox}


class Fault(NamedTuple):
    """What is wrong, and with which field of `TaskDefinition` or, as `limits.nice`, of its limits."""

    field: str
    says: str


def check_definition(definition: TaskDefinition, *, now: datetime) -> list[str]:
    """Return every problem of a definition, one sentence each, or an empty list."""
    return [fault.says for fault in faults_of(definition, now=now)]


def faults_of(definition: TaskDefinition, *, now: datetime) -> list[Fault]:
    """Return every fault of a definition with the field that it lies in.

    `now` is where the search for a first slot begins.
    """
    checks = (
        _check_name,
        _check_command,
        _check_arguments,
        _check_words,
        _check_numbers,
        _check_exit_codes,
        _check_identity,
        _check_environment,
        _check_limits,
        _check_sandbox,
        _check_receivers,
    )
    faults = [fault for check in checks for fault in check(definition)]
    return [*faults, *_check_schedule(definition, now)]


def _check_name(d: TaskDefinition) -> Iterator[Fault]:
    if not _NAME.fullmatch(d.name):
        yield Fault(
            "name", f"task name {quote(d.name)} must be 1 to 100 of the letters A-Z and a-z, digits, '_' and '-'"
        )
    yield from _check_text("description", d.description, 500)
    yield from _check_text("origin", d.origin, 255)
    for field, label in (("group", d.group), ("node_tag", d.node_tag)):
        if label is not None and not _LABEL.fullmatch(label):
            yield Fault(field, f"{_said(field)} {quote(label)} must be 1 to 100 letters, digits, '_', '-' and '.'")


def _check_command(d: TaskDefinition) -> Iterator[Fault]:
    if (d.script is None) == (d.shell_command is None):
        yield Fault("script", "exactly one of script and shell command must be given")
    if d.script is not None:
        if not d.script.startswith("/"):
            yield Fault("script", f"script {quote(d.script)} must be an absolute path, it has to begin with '/'")
        yield from _check_text("script", d.script, 255, single_line=True)
    if d.shell_command is not None:
        if not d.shell_command.strip():
            yield Fault("shell_command", "the shell command is empty")
        yield from _check_bytes("shell_command", d.shell_command, MAX_COMMAND_BYTES)
    if d.stdin_text is not None:
        yield from _check_bytes("stdin_text", d.stdin_text, MAX_STDIN_BYTES)


def _check_arguments(d: TaskDefinition) -> Iterator[Fault]:
    for place, argument in enumerate(d.arguments, 1):
        if not _is_plain(argument):
            yield Fault("arguments", f"argument {place} contains a NUL character or something that is no Unicode text")
    if d.arguments and d.script is None:
        yield Fault("arguments", "arguments go with a script, write them into the shell command itself")
    if sum(_size(argument) + 1 for argument in d.arguments) > MAX_ARGUMENT_BYTES:
        yield Fault(
            "arguments",
            f"the arguments take more than {MAX_ARGUMENT_BYTES} bytes together, hand large data over in a file",
        )


def _check_words(d: TaskDefinition) -> Iterator[Fault]:
    for field, words in _WORDS.items():
        word = getattr(d, field)
        known = [str(each) for each in words]
        if word not in known:
            yield Fault(field, f"{field} must be one of {', '.join(known)}, got {quote(str(word))}")


def _check_numbers(d: TaskDefinition) -> Iterator[Fault]:
    yield from _check_range("priority", d.priority, 1, 10)
    yield from _check_span("timeout", d.timeout, at_least=1)
    yield from _check_span("kill_grace", d.kill_grace, at_least=0)
    yield from _check_range("max_retries", d.max_retries, 0, MAX_RETRIES)
    yield from _check_span("retry_delay", d.retry_delay, at_least=0)
    yield from _check_range("failure_threshold", d.failure_threshold, 1, MAX_SECONDS)
    if d.start_deadline is not None:
        yield from _check_span("start_deadline", d.start_deadline, at_least=1)


def _check_exit_codes(d: TaskDefinition) -> Iterator[Fault]:
    if not d.success_exit_codes:
        yield Fault("success_exit_codes", "success_exit_codes is empty, name at least one, usually 0")
    for code in d.success_exit_codes:
        yield from _check_range("success_exit_codes", code, 0, 255)
    if len(",".join(map(str, d.success_exit_codes))) > MAX_CODES:
        yield Fault("success_exit_codes", f"success_exit_codes takes more than {MAX_CODES} characters, name fewer")


def _check_identity(d: TaskDefinition) -> Iterator[Fault]:
    if d.run_as is not None and not _USER.fullmatch(d.run_as):
        yield Fault("run_as", f"run_as {quote(d.run_as)} is not a user name")
    if d.umask is not None and not _UMASK.fullmatch(d.umask):
        yield Fault("umask", f"umask {quote(d.umask)} must be octal digits such as 022")
    if d.working_directory is not None:
        if not d.working_directory.startswith("/"):
            yield Fault("working_directory", f"working directory {quote(d.working_directory)} must be an absolute path")
        yield from _check_text("working_directory", d.working_directory, 255, single_line=True)


def _check_environment(d: TaskDefinition) -> Iterator[Fault]:
    for name, value in d.environment.items():
        if not _VARIABLE.fullmatch(name):
            yield Fault(
                "environment",
                f"environment name {quote(name)} must be letters, digits and '_', and not begin with a digit",
            )
        elif name.startswith(FORBIDDEN_ENVIRONMENT):
            yield Fault(
                "environment", f"environment name {name} cannot be set: LD_* and SMART_CRON_* belong to the system"
            )
        if not _is_plain(value):
            yield Fault(
                "environment",
                f"environment value of {quote(name)} contains a NUL character or something that is no Unicode text",
            )
    if sum(_size(name) + _size(value) + 2 for name, value in d.environment.items()) > MAX_ENVIRONMENT_BYTES:
        yield Fault(
            "environment",
            f"the environment takes more than {MAX_ENVIRONMENT_BYTES} bytes, hand large data over in a file",
        )


def _check_limits(d: TaskDefinition) -> Iterator[Fault]:
    limits: Limits = d.limits
    for name in ("memory_mb", "cpu_seconds", "open_files", "processes"):
        value = getattr(limits, name)
        if value is not None:
            yield from _check_range(f"limits.{name}", value, 1, MAX_SECONDS)
    yield from _check_range("limits.output_bytes", limits.output_bytes, 1, 2**63 - 1)
    yield from _check_range("limits.nice", limits.nice, -20, 19)


def _check_sandbox(d: TaskDefinition) -> Iterator[Fault]:
    if d.sandbox == Sandbox.STANDARD and not d.sandbox_network:
        yield Fault(
            "sandbox_network",
            "sandbox_network 0 needs the sandbox 'strict': the standard one cannot take the network away",
        )
    if d.sandbox == Sandbox.STRICT and d.keep_processes:
        yield Fault(
            "keep_processes",
            "keep_processes needs the sandbox 'standard': nothing in the strict one outlives its main process",
        )


def _check_receivers(d: TaskDefinition) -> Iterator[Fault]:
    if d.alert_email is not None:
        if not _MAIL.fullmatch(d.alert_email):
            yield Fault(
                "alert_email", f"alert_email {quote(d.alert_email)} must be one address such as ops@example.org"
            )
        yield from _check_text("alert_email", d.alert_email, 255, single_line=True)
    if d.alert_slack_webhook is not None:
        if not _is_web_address(d.alert_slack_webhook, schemes=("https",)):
            # The address is a secret: whoever knows it may post.
            yield Fault("alert_slack_webhook", "alert_slack_webhook must be an https address")
        yield from _check_text("alert_slack_webhook", d.alert_slack_webhook, 500, single_line=True)
    if d.ping_url is not None:
        if not _is_web_address(d.ping_url, schemes=("https", "http")):
            yield Fault("ping_url", "ping_url must be an https or http address")
        yield from _check_text("ping_url", d.ping_url, 500, single_line=True)
    if not 0 <= d.anomaly_tolerance <= 1000:  # `not` because of nan
        yield Fault("anomaly_tolerance", f"anomaly_tolerance must be 0 (none) to 1000, got {d.anomaly_tolerance}")


def _check_schedule(d: TaskDefinition, now: datetime) -> Iterator[Fault]:
    faults = [*_unread("schedule", lambda: Schedule.parse(d.schedule)), *_unread("time_zone", lambda: _place(d))]
    yield from faults
    if faults:
        return
    schedule = Schedule.parse(d.schedule)
    if not schedule.is_reboot:
        yield from _unread("schedule", lambda: schedule.next_after(now, _place(d)))


def _place(d: TaskDefinition) -> ZoneInfo:
    return zone(d.time_zone or "UTC")


def _unread(field: str, read: Callable[[], object]) -> Iterator[Fault]:
    try:
        read()
    except InvalidInputError as fault:
        yield from (Fault(field, problem) for problem in fault.problems)


def _check_range(field: str, value: int, low: int, high: int) -> Iterator[Fault]:
    if not low <= value <= high:
        yield Fault(field, f"{_said(field)} must be {low} to {high}, got {value}")


def _check_span(field: str, value: timedelta, *, at_least: int) -> Iterator[Fault]:
    said, got = _said(field), value.total_seconds()
    if not timedelta(seconds=at_least) <= value <= timedelta(seconds=MAX_SECONDS):
        yield Fault(field, f"{said} must be {at_least} to {MAX_SECONDS} seconds, got {got:g}")
    elif value.microseconds:
        yield Fault(field, f"{said} must be whole seconds, got {got:g}")


def _check_text(field: str, value: str | None, longest: int, *, single_line: bool = False) -> Iterator[Fault]:
    if value is None:
        return
    said = _said(field)
    if len(value) > longest:
        yield Fault(field, f"{said} has {len(value)} characters and at most {longest} fit")
    if not _is_plain(value):
        yield Fault(field, f"{said} contains a NUL character or something that is no Unicode text")
    elif single_line and any(c in value for c in "\r\n"):
        yield Fault(field, f"{said} must not contain a line break")


def _check_bytes(field: str, value: str, longest: int) -> Iterator[Fault]:
    said = _said(field)
    if _size(value) > longest:
        yield Fault(field, f"the {said} takes more than {longest} bytes, hand large data over in a file")
    if not _is_plain(value):
        yield Fault(field, f"the {said} contains a NUL character or something that is no Unicode text")


def _said(field: str) -> str:
    return _SAID.get(field, field.removeprefix("limits."))


def _is_web_address(address: str, *, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in schemes and bool(parts.hostname) and not re.search(r"[\s\x00-\x1f\x7f]", address)
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    """Whether a text can be stored anywhere: no NUL, and no half of a surrogate pair."""
    return not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
