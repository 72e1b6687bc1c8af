"""`smart-cron alert test`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED, note
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.wiring.channels import ChannelEntry

# Pings have no words: they are tried by the run of a task.
UNTRIED = ("ping",)


@click.command("test")
@click.argument("channel")
@click.option("--to", "receiver", metavar="ADDRESS", help="Mail it to this address instead of the one that is set.")
@click.option("--task", "task_name", metavar="NAME", help="Send it to what this task names as its receiver.")
@json_option
@dry_run_option
@pass_session
def alert_test(
    session: Session,
    /,
    *,
    channel: str,
    receiver: str | None,
    task_name: str | None,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Send a test message over a channel and print the server's answer.

    CHANNEL is a name of the settings' [channels], or 'email' or 'slack' for what needs no table: 'email' sends to
    --to, to the task's alert_email or to the setting alert_email, 'slack' to the task's webhook. The exit code is 1
    where the message was not taken; the result is kept for 'smart-cron doctor' where it went to what the settings name.
    """
    config = session.config()
    entry = _entry(config, channel)
    target = _target(session, config, entry, receiver, task_name)
    if dry_run:
        _require_no_fault(entry)
        click.echo(f"Would send a test message over '{entry.name}' ({entry.kind}).")
        return
    from smart_cron.wiring.channel_trial import try_channel

    answer, fault = try_channel(config, entry, target)
    _audit(session, entry, ok=fault is None, receiver=receiver, task=task_name)
    if not target:
        # A mistyped --to, or a task's own receiver, tells nothing of where alerts go.
        _keep(config, entry.name, ok=fault is None, words=str(fault or answer))
    if as_json:
        print_json({"channel": entry.name, "kind": entry.kind, "ok": fault is None, "answer": str(fault or answer)})
        if fault is not None:
            raise click.exceptions.Exit(FAILED)
        return
    if fault is not None:
        raise fault
    click.echo(f"Taken: {printable(answer)}")


def _entry(config: Config, name: str) -> ChannelEntry:
    from smart_cron.wiring.channels import channels_of

    if name in UNTRIED:
        raise SmartCronError(
            f"'{name}' cannot be tried by a message: it has no words.",
            remedy="A run of a task with a --ping-url tries it: smart-cron task run NAME.",
        )
    entries = {key: entry for key, entry in channels_of(config).items() if key not in UNTRIED}
    if name not in entries:
        raise SmartCronError(f"there is no channel '{name}'.", remedy=f"There are: {', '.join(sorted(entries))}.")
    return entries[name]


def _target(session: Session, config: Config, entry: ChannelEntry, receiver: str | None, task_name: str | None) -> str:
    """Return where to, empty where the channel knows. Raise SmartCronError where nobody does."""
    if receiver is not None and entry.kind != "email":
        # An address on the command line can be seen by every user of the machine.
        raise click.UsageError("--to is for mail; other channels' addresses are secrets and stand in the settings.")
    if receiver is not None:
        return receiver
    if task_name is not None:
        return _target_of_task(session, entry, task_name)
    if entry.settings is None and entry.kind == "slack":
        raise SmartCronError("'slack' posts to a task's webhook.", remedy="Name the task with --task NAME.")
    if entry.settings is None and not config.alert_email:
        raise SmartCronError("no receiver is set.", remedy="Name one with --to ADDRESS, or set alert_email.")
    return ""


def _target_of_task(session: Session, entry: ChannelEntry, task_name: str) -> str:
    with session.house() as house:
        definition = house.store.tasks.get(task_name).definition
    target = definition.alert_slack_webhook if entry.kind == "slack" else definition.alert_email
    if entry.settings is not None or not target:
        what = "alert_slack_webhook" if entry.kind == "slack" else "alert_email"
        raise SmartCronError(
            f"task '{task_name}' names no receiver for '{entry.name}'.",
            remedy=f"'smart-cron task edit {task_name}' sets its {what}.",
        )
    return target


def _require_no_fault(entry: ChannelEntry) -> None:
    if entry.fault is not None:
        raise ConfigError([entry.fault])


def _audit(session: Session, entry: ChannelEntry, *, ok: bool, receiver: str | None, task: str | None) -> None:
    """A channel can be tried without a database; then nobody but its receiver knows."""
    told = {"kind": entry.kind, "taken": ok, "to": receiver, "task": task}
    try:
        with session.house() as house:
            house.store.audit.note("test", actor=session.actor, entity=("channel", 0, entry.name), new=told)
    except SmartCronError as error:
        note(f"The test is not in the audit log: {error.message}")


def _keep(config: Config, name: str, *, ok: bool, words: str) -> None:
    from smart_cron.wiring.channel_trial import keep_result

    try:
        keep_result(config, name, ok=ok, words=words)
    except OSError as error:
        note(f"The result was not kept for 'smart-cron doctor': {error.strerror}.")
