"""`smart-cron completion`."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    For bash: smart-cron completion bash > /etc/bash_completion.d/smart-cron
    """
    from click.shell_completion import get_completion_class

    from smart_cron.faces.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "smart-cron", "_SMART_CRON_COMPLETE").source())
