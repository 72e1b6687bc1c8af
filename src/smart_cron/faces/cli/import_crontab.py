"""`smart-cron import crontab`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.core.task import Task
from smart_cron.faces.cli.crontab_sources import Source, file_source, system_sources, user_source
from smart_cron.faces.cli.documents import definition_document, print_json
from smart_cron.faces.cli.import_saving import Import, require_can_take_over, save
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.task_check import problems_of
from smart_cron.faces.cli.text import counted, printable

if TYPE_CHECKING:
    from smart_cron.services.crontab import ImportedTask
    from smart_cron.wiring import House


# A sentence on standard error holds so many of them.
MOST_FAULTS = 5


@click.command("crontab")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--user", is_flag=False, flag_value="", metavar="[NAME]", help="Your own crontab, or NAME's as root.")
@click.option("--system", is_flag=True, help="/etc/crontab and the files of /etc/cron.d.")
@click.option("--with-users", is_flag=True, help="FILE names a user in each line, as /etc/crontab does.")
@click.option("--enable", is_flag=True, help="Let the tasks run; without it they are disabled.")
@click.option("--take-over", is_flag=True, help="Comment the lines out in the crontab, keeping a copy, and enable.")
@click.option("--skip-invalid", is_flag=True, help="Import the other lines where some cannot be used.")
@dry_run_option
@json_option
@pass_session
def import_crontab(
    session: Session,
    /,
    *,
    file: Path | None,
    user: str | None,
    system: bool,
    with_users: bool,
    enable: bool,
    take_over: bool,
    skip_invalid: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Turn the lines of crontabs into tasks, and say for each line what became of it.

    One of FILE, --user and --system says which. Lines imported before are left as they are, so a second call changes
    nothing. Imported tasks are disabled, since cron still runs those lines: --take-over hands them over in one step.
    """
    if sum((file is not None, user is not None, system)) != 1:
        raise click.UsageError("name one of FILE, --user and --system.")
    with session.house() as house:
        sources, passed_over = _sources(house, file, user, system=system, with_users=with_users)
        imports = read_all(house, sources, enable=enable or take_over)
        broken = any(each.faults for each in imports) and not skip_invalid
        if take_over and not broken:
            require_can_take_over(imports)
        if not dry_run and not broken:
            save(house, imports, actor=session.actor, enable=enable or take_over, take_over=take_over)
    would = dry_run or broken
    if as_json:
        print_json([_document(each, saved=not would) for each in imports])
    else:
        _tell(imports, passed_over, would=would)
        if not broken:
            _tell_sum(imports, would=dry_run, enable=enable or take_over)
    if broken:
        raise _all_faults(imports)


def _all_faults(imports: Sequence[Import]) -> SmartCronError:
    """Return the faults as one sentence, of which a binary file has no end: each stands above by its line."""
    faults = [
        f"{each.source.source} line {line}: {why.rstrip('.'):.200}"
        for each in imports
        for line, why in each.faults.items()
    ]
    head = f"{len(faults)} problems: " if len(faults) > 1 else ""
    more = f"; and {len(faults) - MOST_FAULTS} more, each told by its line" if len(faults) > MOST_FAULTS else ""
    return SmartCronError(
        f"{head}{'; '.join(faults[:MOST_FAULTS])}{more}.",
        remedy="Nothing was imported; --skip-invalid imports the other lines.",
    )


def _sources(
    house: House, file: Path | None, user: str | None, *, system: bool, with_users: bool
) -> tuple[Sequence[Source], Sequence[str]]:
    if system:
        return system_sources()
    if file is not None:
        return [file_source(file, with_users=with_users)], ()
    return [user_source(user or "", house.config.state_dir)], ()


def read_all(house: House, sources: Sequence[Source], *, enable: bool = False) -> list[Import]:
    """Read crontabs and hold their lines against the tasks that there are and against what a task may be.

    With *enable* so are the tasks of lines that were imported before: what cannot run is not taken from cron.
    """
    tasks = house.store.tasks.list()
    known = {task.definition.origin: task for task in tasks if task.definition.origin}
    taken = {task.name for task in tasks}
    return [_read(house, source, known, taken, enable=enable) for source in sources]


def _read(house: House, source: Source, known: dict[str, Task], taken: set[str], *, enable: bool) -> Import:
    from smart_cron.services.crontab import read_crontab, to_definitions

    reading = read_crontab(
        source.content(), system=source.system, source=source.source, user=getattr(source, "user", None)
    )
    names = {origin: task.name for origin, task in known.items()}
    tasks = to_definitions(reading, taken=taken, known=names)
    taken.update(task.definition.name for task in tasks)
    faults = {line.number: line.problem for line in reading.faults}
    for task in tasks:
        stored = None if task.is_new else known.get(task.definition.origin or "")
        if not task.is_new and not enable:
            continue
        if problems := list(problems_of(house, task.definition if stored is None else stored.definition)):
            faults[task.line.number] = "; ".join(problems)
    return Import(source=source, reading=reading, tasks=tasks, faults=dict(sorted(faults.items())), known=known)


def _tell(imports: Sequence[Import], passed_over: Sequence[str], *, would: bool) -> None:
    for each in imports:
        click.echo(click.style(f"{printable(each.source.source)}:", bold=True))
        for sentence in [*_outcomes(each, would=would), *each.reading.remarks]:
            click.echo(f"  {printable(sentence)}")
        if each.copy is not None:
            click.echo(f"  Its lines are commented out; what was there is kept in {printable(each.copy)}.")
    for sentence in passed_over:
        click.echo(printable(sentence))


def _tell_sum(imports: Sequence[Import], *, would: bool, enable: bool) -> None:
    new = sum(task.is_new for each in imports for task in each.sound)
    old = sum(not task.is_new for each in imports for task in each.sound)
    head = f"{counted(new, 'task')} {'would be ' if would else ''}imported, {old} known before"
    on = sum(len(each.enabled) for each in imports)
    if on:
        click.echo(f"{head}; {on} enabled.")
    elif enable or would or not new:
        click.echo(f"{head}.")
    else:
        click.echo(f"{head}. They are disabled while cron runs those lines: --take-over hands them over.")


def _outcomes(each: Import, *, would: bool) -> Iterator[str]:
    """Yield a sentence for each line that is no comment and not blank."""
    from smart_cron.services.crontab import LineKind

    tasks = {task.line.number: task for task in each.tasks}
    for line in each.reading.lines:
        where = f"line {line.number}: "
        if line.number in each.faults:
            yield f"{where}cannot be used, {each.faults[line.number]}"
        elif line.number in tasks:
            yield where + _outcome(tasks[line.number], would=would)
        elif line.kind is LineKind.ENVIRONMENT and not line.is_left_out:
            yield f"{where}{line.text.strip()} holds for the lines below"
        for remark in (*line.remarks, *(tasks[line.number].remarks if line.number in tasks else ())):
            yield f"{where}{remark}"


def _outcome(task: ImportedTask, *, would: bool) -> str:
    name = task.definition.name
    if not task.is_new:
        return f"task '{name}', imported before and left as it is"
    return f"{'would become' if would else 'became'} task '{name}' ({task.line.schedule})"


def _document(each: Import, *, saved: bool) -> dict[str, Any]:
    tasks = {task.line.number: task for task in each.tasks}
    return {
        "source": each.source.source,
        "saved": saved,
        "copy": each.copy,
        "remarks": list(each.reading.remarks),
        "lines": [
            {
                "number": line.number,
                "kind": str(line.kind),
                "problem": each.faults.get(line.number),
                "remarks": list(line.remarks),
                "is_new": tasks[line.number].is_new if line.number in tasks else None,
                "task": definition_document(tasks[line.number].definition) if line.number in tasks else None,
            }
            for line in each.reading.lines
        ],
    }
