"""`smart-cron recover`: the specification's system recovery, each step shown, asked, done and told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import click

from smart_cron.core.node import Hold, HoldKind
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import counted, printable

if TYPE_CHECKING:
    from smart_cron.wiring import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what was found, what would be done about it, and the deed, which tells what it did.

    A step without a `deed` has nothing to do, or only something to say.
    """

    name: str
    found: str
    offer: str = ""
    deed: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A step as it was taken, for `--json`: `done` is null where there was nothing to do or nobody wanted it."""

    step: str
    found: str
    done: str | None


@click.command()
@click.option("--from", "backup", metavar="BACKUP", help="Restore this backup first: a name, latest.sql.gz, or a path.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask: take every step.")
@dry_run_option
@json_option
@pass_session
def recover(session: Session, /, *, backup: str | None, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the system back after a restore of the database, an emergency stop or a crash.

    Settles what happened since the backup, heals what tasks say of running, counts failures anew, lets starts go on,
    and starts what is down. Each step says what it found and asks; all may be called again at any time.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask at: give --yes, or --dry-run to look only.")
    with session.house(check_schema=backup is None, knows_logins=backup is not None) as house:
        steps = chain(_backup(house, session.actor, backup, dry_run=dry_run), _steps(house, session.actor))
        taken = [_take(step, yes=yes, dry_run=dry_run, quiet=as_json) for step in steps]
    if as_json:
        print_json([{"step": each.step, "found": each.found, "done": each.done} for each in taken])


def _take(step: Step, *, yes: bool, dry_run: bool, quiet: bool) -> Taken:
    say = _silent if quiet else click.echo
    say(f"{click.style(step.name, bold=True)}: {printable(step.found)}")
    if step.deed is None:
        return Taken(step=step.name, found=step.found, done=None)
    if dry_run:
        say(f"  Would {step.offer}.")
        return Taken(step=step.name, found=step.found, done=None)
    if not yes and not click.confirm(f"  {step.offer[0].upper()}{step.offer[1:]}?", default=True, err=quiet):
        say("  Left as it is.")
        return Taken(step=step.name, found=step.found, done=None)
    done = step.deed()
    say(f"  {printable(done)}")
    return Taken(step=step.name, found=step.found, done=done)


def _silent(_text: str) -> None:
    pass


def _steps(house: House, actor: str) -> Iterator[Step]:
    """Yield them one by one: what a step finds depends on those before it."""
    yield _restored(house, actor)
    yield _locks(house, actor)
    yield _failures(house, actor)
    yield from _holds(house, actor)
    yield _task_runner(house)
    yield _master(house)


def _backup(house: House, actor: str, name: str | None, *, dry_run: bool) -> Iterator[Step]:
    if name is None:
        return
    from smart_cron.faces.cli.account_words import accounts_done, accounts_planned
    from smart_cron.services.backup.restoring import plan_restore, restore
    from smart_cron.wiring.backups import house_to_restore_into, keeper_of

    is_empty = house_to_restore_into(house, dry_run=dry_run)
    keeper = keeper_of(house)
    plan = plan_restore(keeper, keeper.find(name))
    rows = sum(each.rows for each in plan.contents.tables.values())

    def put_in_place() -> str:
        done = restore(keeper, house.store.holds, plan, actor=actor, save=not is_empty)
        saved = f" What was there is in {done.saved.path}." if done.saved is not None else ""
        return " ".join([f"{plan.backup.name} is in its place.{saved}", *accounts_done(done), *done.left_out])

    found = f"{plan.backup.name} holds {counted(rows, 'row')} in {counted(len(plan.tables), 'table')} of ours."
    found = " ".join([found, *accounts_planned(plan)])
    yield Step(name="Backup", found=found, offer="save what is there, and put this in its place", deed=put_in_place)


def _restored(house: House, actor: str) -> Step:
    from smart_cron.recovery import look_for_restore, settle_restored

    name, restore = "Database", look_for_restore(house)
    if not restore.is_certain:
        return Step(name=name, found="it is the one that this node knows; it was not restored from a backup.")
    found = (
        f"it was restored or exchanged: it knows of {restore.known} heartbeats of this node, which made "
        f"{restore.remembered}."
        if restore.remembered > restore.known
        else f"starts are held, since it was restored ({restore.hold.reason if restore.hold else ''})"
    )

    if ours := _for_the_owner(house):
        return Step(name=name, found=f"{found}. {ours}")

    def settle() -> str:
        done = settle_restored(house, restore, actor=actor)
        ended = f", of which {done.ended} ended" if done.ended else ""
        others = _on_other_nodes(restore.other_nodes)
        return (
            f"{counted(done.entered, 'run')} entered from run files{ended}; {done.lost} recorded as lost; "
            f"{counted(done.missed_slots, 'slot')} and {counted(done.missed_runs, 'waiting run')} recorded as missed. "
            f"Nothing of that time starts any more.{others}"
        )

    return Step(name=name, found=found, offer="settle the time since the backup, starting nothing of it", deed=settle)


def _for_the_owner(house: House) -> str:
    """Say who has to do what writes in the home or runs tasks, where it is not this user; else nothing.

    To root what is of the database alone, and the units of systemd, are open all the same.
    """
    from smart_cron.home import account_name, owns

    if owns(house.config):
        return ""
    name = account_name(house.config.state_dir.stat().st_uid)
    return f"That is for {name} to do, whose home this is, and not for root: runuser -u {name} -- smart-cron recover"


def _on_other_nodes(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f" Call this on every node that held runs, too: {', '.join(names)}."


def _locks(house: House, actor: str) -> Step:
    def heal() -> str:
        count = house.store.healing.heal_projections(actor=actor)
        return f"{counted(count, 'task')} said something else than {'its' if count == 1 else 'their'} runs."

    found = "there are no lock files; is_running follows from the runs, and heals by itself while a master works."
    return Step(name="Locks", found=found, offer="hold is_running of every task against its runs now", deed=heal)


def _failures(house: House, actor: str) -> Step:
    count = house.store.incidents.failing()
    if not count:
        return Step(name="Failure counts", found="no task counts failures in a row.")

    def reset() -> str:
        done = house.store.incidents.reset_failures(actor=actor)
        return f"{counted(done, 'task')} begin{'s' if done == 1 else ''} to count anew; what stood for it is resolved."

    found = f"{counted(count, 'task')} count{'s' if count == 1 else ''} failures in a row."
    return Step(name="Failure counts", found=found, offer="set consecutive_failures to 0", deed=reset)


def _holds(house: House, actor: str) -> Iterator[Step]:
    name, holds = "Schedule", house.store.holds.holds()
    if not holds:
        yield Step(name=name, found="nothing holds starts back.")
    for hold in holds:
        found = f"starts are held ({hold.kind}, by {hold.actor}): {hold.reason}"
        if hold.kind == HoldKind.RESTORED:
            yield Step(name=name, found=f"{found} That ends with the step 'Database'.")
        elif hold.kind == HoldKind.MOVED:
            # Not by --yes: two databases would each start every slot.
            yield Step(name=name, found=f"{found} Only 'smart-cron db move --undo' takes this database back.")
        elif hold.kind == HoldKind.ARRIVING:
            yield Step(name=name, found=f"{found} That ends with the move or the adoption.")
        else:
            yield Step(name=name, found=found, offer="let starts go on", deed=_release(house, hold, actor))


def _release(house: House, hold: Hold, actor: str) -> Callable[[], str]:
    def release() -> str:
        house.store.holds.release(hold.kind, actor=actor)
        return "Starts go on as far as this hold goes."

    return release


def _task_runner(house: House) -> Step:
    name = "Task runner"
    pid, problem = _runner(house, start=False)
    if pid is not None:
        return Step(name=name, found=f"it works (process {pid}).")
    found = f"it does not answer: {problem}." if problem else "none is running."
    if not house.config.start_task_runner:
        return _task_runner_unit(house, name, found)
    if ours := _for_the_owner(house):
        return Step(name=name, found=f"{found} {ours}")

    def start() -> str:
        started, fault = _runner(house, start=True)
        return f"It works (process {started})." if started is not None else f"It cannot be started: {fault}."

    return Step(name=name, found=found, offer="start it", deed=start)


def _task_runner_unit(house: House, name: str, found: str) -> Step:
    """The settings leave it to its unit, so nobody else may start it."""
    from smart_cron.faces.cli.recover_master import has_unit, start_unit
    from smart_cron.services.autostart import TASK_RUNNER_UNIT

    command = f"systemctl start {TASK_RUNNER_UNIT}"
    if not has_unit(house, TASK_RUNNER_UNIT):
        return Step(name=name, found=f"{found} Start its unit: {command}")
    return Step(name=name, found=found, offer=f"start its unit ({command})", deed=lambda: start_unit(TASK_RUNNER_UNIT))


def _runner(house: House, *, start: bool) -> tuple[int | None, str]:
    """Return the task runner's pid, or None and what is wrong."""
    from smart_cron.wiring import runner_client

    client = runner_client(house.config)
    try:
        if start:
            client.ensure()
        return (client.runner_pid, "") if client.connect() else (None, "")
    except OSError as error:
        return None, str(error)
    finally:
        client.close()


def _master(house: House) -> Step:
    from smart_cron.faces.cli.recover_master import start_detached, start_unit, starters_of
    from smart_cron.services.autostart import MASTER_UNIT

    name = "Master"
    if house.master_is_running():
        return Step(name=name, found="one works on this node.")
    found, starters = "none works on this node, so nothing is started by it.", starters_of(house)
    if starters.systemd and MASTER_UNIT in starters.units:
        offer = f"start its unit (systemctl start {MASTER_UNIT})"
        return Step(name=name, found=found, offer=offer, deed=lambda: start_unit(MASTER_UNIT))
    if starters.crontab:
        return Step(name=name, found=f"none works at this moment; a line in {starters.crontab} starts one by itself.")
    if ours := _for_the_owner(house):
        return Step(name=name, found=f"{found} {ours}")
    offer = "start one, which goes on when this command is over"
    return Step(name=name, found=found, offer=offer, deed=lambda: start_detached(house))
