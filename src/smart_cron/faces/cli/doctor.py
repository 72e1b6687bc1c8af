"""`smart-cron doctor`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import ConfigError
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smart_cron.config import Config
    from smart_cron.services.diagnosis import Finding

# For the modes of our folders, before anything else is looked at.
FIRST_LOOK_SECONDS = 4.0
# A folder on a disk that slept may need some seconds; the answer of all has to come within ten.
SILENT_SECONDS = 2.5
COLOURS = {"ok": "green", "note": "yellow", "wrong": "red"}


@click.command()
@click.option("--fix", is_flag=True, help="Mend what can be mended without judgement, asking before each.")
@click.option("-y", "--yes", is_flag=True, help="With --fix: do not ask.")
@click.option("--report", "task", metavar="TASK", help="Write a report about this task for whoever helps you.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="With --report: the file; it must not exist.")
@dry_run_option
@json_option
@pass_session
def doctor(
    session: Session,
    /,
    *,
    fix: bool,
    yes: bool,
    task: str | None,
    output: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Say what this machine gives and what is wrong with it, and what to do about it.

    Looks at folders and disks, the master and what starts it, the database, tasks that do not run, are stuck or fail,
    alerts, clocks, and at how firmly runs are held. Nothing is changed without --fix. The exit code is 1 where
    something is wrong.
    """
    _require_sense(fix=fix, yes=yes, dry_run=dry_run, task=task, output=output, as_json=as_json)
    mending = Mending(actor=session.actor, yes=yes, dry_run=dry_run, as_json=as_json) if fix else None
    config = _config_or_tell(mending, as_json=as_json)
    if task is not None:
        from smart_cron.faces.cli.doctor_report import write_report

        write_report(config, task, output)
        return
    findings = examine(config)
    if mending is not None:
        from smart_cron.faces.cli.doctor_fix import fix_findings

        if fix_findings(config, findings, mending):
            findings = examine(config)
    tell(findings, as_json=as_json)


def _require_sense(
    *, fix: bool, yes: bool, dry_run: bool, task: str | None, output: Path | None, as_json: bool
) -> None:
    if (yes or dry_run) and not fix:
        raise click.UsageError("--yes and --dry-run belong to --fix.")
    if task is not None and (fix or as_json):
        raise click.UsageError("--report writes a file of its own: leave --fix and --json out.")
    if output is not None and task is None:
        raise click.UsageError("--output belongs to --report TASK.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """How `--fix` was asked for, and by whom."""

    actor: str
    yes: bool
    dry_run: bool
    as_json: bool


def _config_or_tell(mending: Mending | None, *, as_json: bool) -> Config:
    """Return the settings; where they cannot be used, tell all their faults, mend what is safe, and end.

    A file that others can only read is looked into: it is a finding among others, and no reason to hide those.
    """
    from smart_cron.config import load_config

    try:
        return load_config(tolerates_readers=True)
    except ConfigError as error:
        findings = _faults_of(error)
        if mending is not None:
            from smart_cron.faces.cli.doctor_fix import fix_findings

            # What others may have written is closed to them and not obeyed: somebody has to read it first.
            if fix_findings(None, findings, mending):
                findings = _just_closed(findings)
        tell(findings, as_json=as_json)
        raise AssertionError("faults are wrong, which ends the command") from None


def _faults_of(error: ConfigError) -> list[Finding]:
    from smart_cron.config.faults import OpenSettingsError, UnfitSettingsError
    from smart_cron.faces.cli.doctor_surroundings import own_names, setting_names
    from smart_cron.services.diagnosis import Fix, FixKind, wrong
    from smart_cron.services.diagnosis.telling import judge_names

    cures = error.cures if isinstance(error, UnfitSettingsError) else None
    remedies = cures or [error.remedy or "Mend it, then: smart-cron config check"] * len(error.problems)
    fix = None
    if isinstance(error, OpenSettingsError):
        fix = Fix(kind=FixKind.CLOSE, target=str(error.path), mode=0o640)
        remedies = [f"chmod 640 {error.path}, read what is in it, then: smart-cron doctor"]
    found = [
        wrong("settings", f"{problem.rstrip('.')}.", remedy, fix=fix)
        for problem, remedy in zip(error.problems, remedies, strict=True)
    ]
    return found + judge_names(own_names(os.environ), setting_names())


def _just_closed(findings: Sequence[Finding]) -> list[Finding]:
    sentence = "others could write in the settings file until now."
    remedy = "Read what is in it, then: smart-cron doctor"
    return [replace(each, sentence=sentence, remedy=remedy, fix=None) if each.fix else each for each in findings]


def examine(config: Config) -> list[Finding]:
    """Return what all probes found; of folders that hang that they do, and of nothing else where all is in them."""
    from smart_cron.faces.cli.doctor_surroundings import surroundings_of
    from smart_cron.home import used_directories
    from smart_cron.services.diagnosis import diagnose, within
    from smart_cron.services.patience import outermost, silent_paths

    folders = [*used_directories(config), config.backup_dir, config.log_dir / "output"]
    silent = silent_paths(folders, seconds=SILENT_SECONDS)
    found = [_silent(path) for path in outermost(silent)]
    if config.state_dir in silent:
        return found
    around = within(FIRST_LOOK_SECONDS, lambda: surroundings_of(config, silent=silent))
    return found + diagnose(around) if around is not None else found or [_silent(config.home)]


def _silent(path: Path) -> Finding:
    from smart_cron.services.diagnosis import Case, wrong
    from smart_cron.services.patience import remount

    sentence = f"{path} does not answer within {SILENT_SECONDS:g} s: its disk or mount hangs."
    return wrong("folders", sentence, remount(path), case=Case.DISK)


def tell(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what was found and what to do; end with 1 where something is wrong."""
    from smart_cron.services.diagnosis import is_sound

    if as_json:
        print_json(document(findings))
    else:
        for text in lines(findings, coloured=True):
            click.echo(text)
    if not is_sound(findings):
        raise click.exceptions.Exit(1)


def document(findings: Sequence[Finding]) -> dict[str, object]:
    """Return it all for programs."""
    from smart_cron.services.diagnosis import is_sound, remedies

    return {
        "sound": is_sound(findings),
        "cases": list(dict.fromkeys(each.case for each in findings if each.case and each.verdict == "wrong")),
        "findings": [asdict(finding) for finding in findings],
        "remedies": [
            {"subject": each.subject, "case": each.case, "verdict": each.verdict, "remedy": each.remedy}
            for each in remedies(findings)
        ],
    }


def lines(findings: Sequence[Finding], *, coloured: bool = False) -> list[str]:
    """Return it all for people: a line for each finding, then what to do, numbered, the most urgent first."""
    from smart_cron.services.diagnosis import remedies

    shown = [_line(finding, coloured=coloured) for finding in findings]
    todo = remedies(findings)
    if not todo:
        return shown
    steps = [f"{number:>3}. {_step(finding)}" for number, finding in enumerate(todo, 1)]
    return [*shown, "", "What to do, the most urgent first:", *steps, *_offer(todo)]


def _offer(todo: Sequence[Finding]) -> list[str]:
    """Return which of the steps this command takes itself."""
    numbers = [str(number) for number, finding in enumerate(todo, 1) if finding.fix]
    if not numbers:
        return []
    what = f"step {numbers[0]}" if len(numbers) == 1 else f"steps {', '.join(numbers[:-1])} and {numbers[-1]}"
    return ["", f"It takes {what} itself, after asking: smart-cron doctor --fix"]


def _line(finding: Finding, *, coloured: bool) -> str:
    word = f"{finding.verdict:<5}"
    mark = click.style(word, fg=COLOURS[finding.verdict]) if coloured else word
    case = f"{finding.case} – " if finding.case else ""
    return f"{mark}  {printable(f'{case}{finding.subject}: {finding.sentence}')}"


def _step(finding: Finding) -> str:
    about = finding.case or finding.subject
    could = "" if finding.verdict == "wrong" else " (not urgent)"
    return printable(f"{about}{could}: {finding.remedy}")
