"""A task's definition in words, by sections, secrets masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from smart_cron.config import Config
from smart_cron.core.masking import HIDDEN, masked_environment, masked_webhook
from smart_cron.core.spans import span
from smart_cron.core.task import OnMissed, OnOverlap, Sandbox, TaskDefinition
from smart_cron.core.task_words import in_words
from smart_cron.faces.cli.text import size


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line; `is_code` where it is text for machines, shown in its letters and lines."""

    name: str
    says: str
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Facts that belong together."""

    title: str
    facts: Sequence[Fact]


def sections_of(d: TaskDefinition, config: Config, *, shows_input: bool) -> list[Section]:
    """Return the definition; what a task reads may hold secrets, and is shown where *shows_input*."""
    found = (
        (_("What"), list(_what(d, shows_input=shows_input))),
        (_("When"), list(_when(d, config))),
        (_("How long, and when it fails"), list(_failing(d))),
        (_("Where, and within which limits"), list(_where(d))),
        (_("Whom it tells"), list(_alerts(d, config))),
    )
    return [Section(title=title, facts=facts) for title, facts in found if facts]


def _what(d: TaskDefinition, *, shows_input: bool) -> Iterator[Fact]:
    if d.script:
        yield Fact(name=_("Script"), says=d.script, is_code=True)
    else:
        yield Fact(name=_("Shell command"), says=d.shell_command or "–", is_code=True)
    if d.arguments:
        yield Fact(name=_("Arguments"), says="\n".join(d.arguments), is_code=True)
    if d.stdin_text:
        yield Fact(name=_("Standard input"), says=d.stdin_text if shows_input else HIDDEN, is_code=True)
    if d.origin:
        yield Fact(name=_("Came from"), says=d.origin)


def _when(d: TaskDefinition, config: Config) -> Iterator[Fact]:
    yield Fact(name=_("Schedule"), says=in_words(d.schedule))
    yield Fact(name=_("Pattern"), says=d.schedule, is_code=True)
    yield Fact(name=_("Time zone"), says=d.time_zone or _("%(zone)s (configured)") % {"zone": config.time_zone})
    missed = {
        OnMissed.LATEST: _("the newest missed slot is made up for"),
        OnMissed.ALL: _("every missed slot is made up for, the oldest first"),
        OnMissed.SKIP: _("missed slots are not made up for"),
        OnMissed.HOLD: _("missed slots wait for a person"),
    }[d.on_missed]
    if d.start_deadline:
        missed = _("%(missed)s, at most %(late)s late") % {"missed": missed, "late": span(d.start_deadline)}
    yield Fact(name=_("When missed"), says=missed)
    overlap = {
        OnOverlap.SKIP: _("a slot is skipped while the task runs"),
        OnOverlap.QUEUE: _("one slot waits while the task runs"),
        OnOverlap.REPLACE: _("a slot ends the run before it"),
        OnOverlap.ALLOW: _("slots run side by side"),
    }[d.on_overlap]
    yield Fact(name=_("When it still runs"), says=overlap)
    yield Fact(name=_("Priority"), says=_("%(number)d (1 first, 10 last)") % {"number": d.priority})


def _failing(d: TaskDefinition) -> Iterator[Fact]:
    words = {"timeout": span(d.timeout), "grace": span(d.kill_grace)}
    yield Fact(name=_("Timeout"), says=_("%(timeout)s, then %(grace)s to end by itself") % words)
    yield Fact(name=_("Retries"), says=_retries(d))
    yield Fact(
        name=_("Success is"), says=_("exit code %(codes)s") % {"codes": ", ".join(map(str, d.success_exit_codes))}
    )


def _retries(d: TaskDefinition) -> str:
    if not d.max_retries:
        return _("none")
    words = {"count": d.max_retries, "delay": span(d.retry_delay)}
    said = _("%(count)d, the first after %(delay)s") % words
    return _("%(said)s, lost runs too") % {"said": said} if d.retry_lost else said


def _where(d: TaskDefinition) -> Iterator[Fact]:
    limits = d.limits
    for name, value in (
        (_("Group"), d.group),
        (_("Node tag"), d.node_tag),
        (_("Runs as"), d.run_as),
        (_("Directory"), d.working_directory),
        (_("umask"), d.umask),
        (_("Memory"), limits.memory_mb and f"{limits.memory_mb} MB"),
        (_("CPU time"), limits.cpu_seconds and span(limits.cpu_seconds)),
        (_("Open files"), limits.open_files and str(limits.open_files)),
        (_("Processes"), limits.processes and str(limits.processes)),
        (_("Nice"), limits.nice and str(limits.nice)),
    ):
        if value:
            yield Fact(name=name, says=str(value))
    if d.environment:
        lines = [f"{name}={value}" for name, value in masked_environment(d.environment).items()]
        yield Fact(name=_("Environment"), says="\n".join(lines), is_code=True)
    kept = _("%(size)s of each stream") % {"size": size(limits.output_bytes)}
    yield Fact(name=_("Output kept"), says=_("%(kept)s, merged") % {"kept": kept} if d.merge_output else kept)
    if d.sandbox is Sandbox.STRICT:
        yield Fact(name=_("Sandbox"), says=_("strict") if d.sandbox_network else _("strict, without a network"))
    if d.keep_processes:
        yield Fact(name=_("Left behind"), says=_("processes live on"))


def _alerts(d: TaskDefinition, config: Config) -> Iterator[Fact]:
    if d.alert_on_failure:
        usual = _("%(address)s (configured)") % {"address": config.alert_email} if config.alert_email else None
        places = (d.alert_email or usual, masked_webhook(d.alert_slack_webhook), *config.channels)
        yield Fact(name=_("Alerts"), says=", ".join(filter(None, places)) or _("shown, and sent to nobody"))
        yield Fact(name=_("Critical after"), says=_("%(count)d failed slots in a row") % {"count": d.failure_threshold})
    else:
        yield Fact(name=_("Alerts"), says=_("none"))
    if d.ping_url:
        yield Fact(name=_("Pings"), says=masked_webhook(d.ping_url) or "")
    if d.alert_on_failure and not d.anomaly_tolerance:
        yield Fact(name=_("Anomalies"), says=_("not told"))
