"""`smart-cron stop-all`."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import counted

if TYPE_CHECKING:
    from smart_cron.emergency import StopReport


class Seconds(click.FloatRange):
    """A time that ends: 'nan' and 'inf' are numbers to Python."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds


SECONDS = Seconds(min=0)
RESUME = "'smart-cron stop-all --resume' lets starts go on."


@click.command("stop-all")
@click.option("--resume", is_flag=True, help="Let starts go on again.")
@click.option("--reason", default="stopped by hand", show_default=True, help="Why, for whoever looks.")
@click.option(
    "--patience",
    type=SECONDS,
    default=60.0,
    show_default=True,
    help="Seconds before force, which never comes before a task's grace is over.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@json_option
@pass_session
def stop_all(
    session: Session,
    /,
    *,
    resume: bool,
    reason: str,
    patience: float,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Start nothing any more, on any node, and end what runs now.

    Each run gets SIGTERM and, after its grace, SIGKILL, with all its processes; it is recorded as killed, with the
    reason. What is still there after --patience, and after its own grace and ten seconds more, is ended by force. Tasks
    and settings stay as they are. What comes due meanwhile waits, and --resume lets it go.
    """
    if session.is_remote:
        return _from_afar(session, resume=resume, reason=reason, yes=yes, dry_run=dry_run, as_json=as_json)
    if resume:
        return _resume(session, dry_run=dry_run, as_json=as_json)
    if dry_run:
        return _show(session, as_json=as_json)
    _confirm(yes=yes)
    report = _stop(session, reason=reason, patience=patience)
    if as_json:
        print_json(dataclasses.asdict(report))
    else:
        _tell(report)
    return FAILED if report.database_problem or report.unkillable else 0


def _confirm(*, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        click.confirm("Hold every start on every node and end what runs now?", abort=True)


def _from_afar(session: Session, *, resume: bool, reason: str, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Have a server do it; what does not go by itself there is ended by force on its own machine alone."""
    from smart_cron.faces.cli.remote.house import api_of

    if dry_run:
        raise SmartCronError("this cannot be rehearsed from afar.", remedy="'run list' shows what runs.")
    if not resume:
        _confirm(yes=yes)
    with session.house() as house:
        api = api_of(house)
        said = api.post("/resume") if resume else api.post("/stop", {"reason": reason, "end_runs": True})
    if as_json:
        print_json(said)
    else:
        click.echo(said["message"])
    return 0


def _resume(session: Session, *, dry_run: bool, as_json: bool) -> int:
    from smart_cron.core.node import HoldKind
    from smart_cron.emergency import resume

    # Without a check: what this version stopped it lets go on, whatever version the tables are of by now.
    with session.house(check_schema=False) as house:
        stands = [hold for hold in house.store.holds.holds() if hold.kind == HoldKind.STOPPED]
        if not stands:
            raise SmartCronError("starts are not held back by 'stop-all'.", remedy="There is nothing to resume.")
        if not dry_run:
            resume(house, actor=session.actor)
    if as_json:
        hold = stands[0]
        print_json({"resumed": not dry_run, "reason": hold.reason, "stopped_by": hold.actor, "since": hold.since})
    else:
        click.echo("Would let starts go on." if dry_run else "Starts go on.")
    return 0


def _show(session: Session, *, as_json: bool) -> int:
    from smart_cron.taskrunner.stopping import running_here

    living = running_here(session.config().state_dir / "runs")
    if as_json:
        print_json({"held": False, "would_end": [file.run_id for file in living]})
    else:
        click.echo(f"Would hold every start and end {counted(len(living), 'run')} here.")
    return 0


def _stop(session: Session, *, reason: str, patience: float) -> StopReport:
    from smart_cron.emergency import stop_all as stop

    shown = sys.stderr.isatty()

    def on_progress(count: int) -> None:
        if shown:
            click.echo(f"\r{count} still running \033[K", nl=False, err=True)

    # Without a check: with the database down it is needed all the more.
    with session.house(check_schema=False) as house:
        report = stop(house, reason=reason, actor=session.actor, patience_seconds=patience, on_progress=on_progress)
    if shown:
        click.echo("\r\033[K", nl=False, err=True)
    return report


def _tell(report: StopReport) -> None:
    if report.database_problem:
        click.echo(f"Starts could not be held back: {report.database_problem}", err=True)
        click.echo("Call this again once it answers; a master that runs then would start tasks.", err=True)
    ended = report.asked_here
    click.echo(f"{counted(ended, 'run')} of this node {'was' if ended == 1 else 'were'} ended.")
    if report.asked_elsewhere:
        click.echo(f"{report.asked_elsewhere} on other nodes are being ended by their masters.")
    if report.ended_by_force:
        click.echo(f"Ended by force: {', '.join(report.ended_by_force)}.")
    if report.unkillable:
        click.echo(f"These processes could not be killed: {', '.join(report.unkillable)}.", err=True)
    if report.held:
        click.echo(f"Nothing is started any more. {RESUME}")
