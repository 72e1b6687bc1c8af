"""DESIGN's list of commands, walked: each is there, explains itself, and keeps the promises made for its kind."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.main import cli

READING = {
    "task list",
    "task show",
    "task next",
    "task history",
    "run list",
    "run show",
    "run logs",
    "explain",
    "ledger",
    "why",
    "logs",
    "metrics",
    "config show",
    "config check",
    "db check",
    "db grants",
    "doctor",
    "health",
    "task held list",
    "node list",
    "alert list",
    "alert show",
    "ping list",
    "ping show",
    "audit list",
    "audit verify",
    "task diff",
    "backup list",
    "user list",
}
CHANGING = {
    "init",
    "demo",
    "master",
    "task add",
    "task edit",
    "task enable",
    "task disable",
    "task remove",
    "task run",
    "run kill",
    "run retry",
    "import crontab",
    "service install",
    "service uninstall",
    "db migrate",
    "db move",
    "task held run",
    "task held drop",
    "node forget",
    "alert ack",
    "alert resolve",
    "alert test",
    "alert snooze",
    "ping add",
    "ping edit",
    "ping rotate",
    "ping remove",
    "stop-all",
    "recover",
    "cleanup",
    "task rollback",
    "backup create",
    "backup verify",
    "backup restore",
    "backup prune",
    "user add",
    "user passwd",
    "user disable",
    "user enable",
    "user role",
    "user groups",
    "user link",
    "user reset-mfa",
    "user unlink",
}
OTHERS = {"completion", "dashboard", "up", "service task-runner"}


def _walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command, str]]:
    """Yield (words, command, its line in the group's help)."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{name} is listed and not there"
        assert isinstance(group, LazyGroup)
        line = group.lazy[name][1]
        if isinstance(command, click.Group):
            yield from _walk(command, (*path, name))
        else:
            yield " ".join((*path, name)), command, line


COMMANDS = {words: (command, line) for words, command, line in _walk(cli)}


def _has(command: click.Command, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


def test_the_list_is_whole() -> None:
    assert set(COMMANDS) == READING | CHANGING | OTHERS


@pytest.mark.parametrize("words", sorted(READING))
def test_every_reading_command_prints_json(words: str) -> None:
    assert _has(COMMANDS[words][0], "--json")


@pytest.mark.parametrize("words", sorted(CHANGING))
def test_every_changing_command_has_a_dry_run(words: str) -> None:
    assert _has(COMMANDS[words][0], "--dry-run")


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_help_begins_with_the_line_that_the_group_shows(words: str) -> None:
    command, line = COMMANDS[words]

    help_line = " ".join((command.help or "").split("\n\n")[0].split())
    assert help_line.startswith(line.removesuffix(".")), (help_line, line)


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_option_says_what_it_does(words: str) -> None:
    options = [parameter for parameter in COMMANDS[words][0].params if isinstance(parameter, click.Option)]

    assert all(option.help for option in options)


@pytest.mark.parametrize("words", ["", *sorted(COMMANDS), "task", "run", "execution", "import", "config", "db"])
def test_help_is_printed_without_a_home(words: str, call, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("SMART_CRON_HOME", "/nonexistent")

    result = call(*words.split(), "--help")

    assert result.code == 0
    assert result.out.startswith("Usage: smart-cron")


@pytest.mark.parametrize("words", [["taks"], ["task", "ad"], ["task", "list", "--nope"], ["task", "add"]])
def test_wrong_calls_end_with_2_and_a_hint(words: list[str], call) -> None:  # type: ignore[no-untyped-def]
    result = call(*words)

    assert result.code == 2
    assert result.out == ""
    assert "--help" in result.err


def test_a_mistyped_command_is_guessed(call) -> None:  # type: ignore[no-untyped-def]
    assert "did you mean 'task'?" in call("taks").err


def test_version_is_one_line(call) -> None:  # type: ignore[no-untyped-def]
    result = call("--version")

    assert result.code == 0
    assert result.out.startswith("smart-cron ")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str, call) -> None:  # type: ignore[no-untyped-def]
    assert "smart-cron" in call("completion", shell).out
