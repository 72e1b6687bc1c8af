"""`smart-cron`: the list of commands, and the way in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from smart_cron import __version__
from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.errors import exit_code_of
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.session import Session, pass_session

COMMANDS = {
    "init": ("init:init", "Prepare folders, settings and database."),
    "demo": ("demo:demo", "Run a crontab of example scripts and show what becomes of them."),
    "up": ("up:up", "Run scheduler and dashboard together, until SIGTERM or Ctrl-C."),
    "master": ("master:master", "Plan, start and record what is due, until SIGTERM or Ctrl-C."),
    "dashboard": (
        "dashboard:dashboard",
        "Serve the dashboard, /healthz, /readyz, /metrics and /ping/KEY, until SIGTERM or Ctrl-C.",
    ),
    "user": ("user:user", "Say who may log in to the dashboard."),
    "task": ("task:task", "Define, change, run and list tasks."),
    "run": ("run:run", "Look at runs, follow their output, end or repeat them."),
    "why": ("why:why", "Say why a slot ran, did not run, or is none, and by which decisions."),
    "ledger": ("ledger:ledger", "Say what became of every slot: executions, and slots that did not run."),
    "ping": ("ping:ping", "Watch jobs that run elsewhere and report by ping."),
    "explain": ("explain:explain", "Say in words when a schedule fires."),
    "import": ("import_:import_", "Take tasks over from cron."),
    "alert": ("alert:alert", "See what is wrong, and say that you have seen or mended it."),
    "logs": ("logs:logs", "Show the latest lines of the log, or follow it."),
    "metrics": ("metrics:metrics", "Print the figures of this moment as Prometheus reads them."),
    "audit": ("audit:audit", "See who changed what, and whether the audit log is as it was written."),
    "config": ("config:config", "Show and check the settings."),
    "service": ("service:service", "Let systemd or cron start Smart Cron, or no longer."),
    "health": ("health:health", "Look whether the system is well, and say what to do where it is not."),
    "cleanup": ("cleanup:cleanup", "Delete what is older than the settings keep it, and compress old logs."),
    "doctor": ("doctor:doctor", "Say what this machine gives and what is wrong with it."),
    "backup": ("backup:backup", "Take backups, prove them, and bring them back."),
    "db": ("db:db", "Create, update and check the tables."),
    "node": ("node:node", "Look at the nodes that share this database."),
    "recover": (
        "recover:recover",
        "Bring the system back after a restore of the database, an emergency stop or a crash.",
    ),
    "stop-all": ("stop_all:stop_all", "Start nothing any more, on any node, and end what runs now."),
    "completion": ("completion:completion", "Print the completion script for a shell."),
}
ALIASES = {"execution": "run"}
# What --server can be asked; some of their own commands are refused by the session.
FROM_AFAR = (
    "task", "run", "execution", "alert", "explain", "why", "ledger", "node", "config", "user", "health", "logs",
    "audit", "backup", "stop-all",
)  # fmt: skip


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    click.echo(f"smart-cron {__version__}")
    ctx.exit()


@click.group(cls=LazyGroup, lazy=COMMANDS, aliases=ALIASES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
@click.option(
    "--server", envvar="SMART_CRON_SERVER", metavar="URL", help="Ask this dashboard instead of the database here."
)
@click.option(
    "--api-key-file",
    envvar="SMART_CRON_API_KEY_FILE",
    type=click.Path(path_type=Path),
    help="Where the API key for --server stands.",
)
@pass_session
@click.pass_context
def cli(context: click.Context, session: Session, /, *, server: str | None, api_key_file: Path | None) -> None:
    """Supervised, recorded and retried cron jobs.

    Exit codes: 0 done, 1 failed, 2 called wrongly. 'smart-cron COMMAND --help' says more on each.
    """
    if server is None:
        return
    if api_key_file is None:
        raise click.UsageError("--server needs --api-key-file, a file with a key of the dashboard's settings page.")
    if context.invoked_subcommand not in FROM_AFAR:
        raise SmartCronError("this is done on the machine itself.", remedy="Leave --server out, there.")
    session.ask(server, api_key_file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    given = None if arguments is None else list(arguments)
    sys.exit(exit_code_of(lambda: cli.main(args=given, prog_name="smart-cron", standalone_mode=False)))


if __name__ == "__main__":
    main()
