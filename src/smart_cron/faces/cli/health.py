"""`smart-cron health`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.builtin import HEALTH
from smart_cron.core.health import CheckStatus, Finding, is_healthy
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import complain
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.text import printable

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.core.health import LatestHealth
    from smart_cron.services.health import Examination
    from smart_cron.wiring.health_kept import Kept

COLOURS = {
    CheckStatus.OK: "green",
    CheckStatus.WARNING: "yellow",
    CheckStatus.UNKNOWN: "magenta",
    CheckStatus.CRITICAL: "red",
}
HOME_SECONDS = 2.0


@click.command()
@click.option("--quiet", is_flag=True, help="Print what is wrong, and nothing while all is well.")
@json_option
@pass_session
def health(session: Session, /, *, quiet: bool, as_json: bool) -> None:
    """Look whether the system is well, and say what to do where it is not.

    What is found is entered in the database and in the health log; alerts are raised for what is wrong, and resolved
    for what is well again. The exit code is 1 where something is critical, or could not be found out.

    Of a server (--server) it tells what was found there lately, and looks at nothing anew.

    From a crontab, without a terminal and without options, it looks only where nobody has in these five minutes; else
    it says what was found then, and ends with that verdict.
    """
    if session.is_remote:
        raise click.exceptions.Exit(_tell_from_afar(session, quiet=quiet, as_json=as_json))
    from smart_cron.wiring.health_kept import done_already, keep
    from smart_cron.wiring.health_of import look_after, ward_of

    config = session.config()
    home_answers = _require_home(config)
    ward = ward_of(config)
    if home_answers and _is_crontab_line(quiet=quiet, as_json=as_json):
        found = done_already(ward, seconds=HOME_SECONDS)
        if found is not None and found.checked_at is not None:
            _end(_tell_again(found, config), hangs=False)
    examination = look_after(ward)
    kept = keep(ward, examination)
    _print(examination, kept, quiet=quiet, as_json=as_json)
    _end(_exit_code(examination, kept), hangs=examination.hangs or kept.hangs)


def _tell_from_afar(session: Session, *, quiet: bool, as_json: bool) -> int:
    """Say what was found at a server lately; return the exit code."""
    from smart_cron.faces.cli.remote.house import api_of
    from smart_cron.faces.cli.remote.watch import latest_health

    with session.house() as house:
        found = latest_health(api_of(house))
    is_well = found.word == "healthy"
    if as_json:
        findings = [_finding(finding) for finding in found.findings]
        print_json({"healthy": is_well, "checked_at": found.checked_at, "findings": findings})
    else:
        _print_findings(found.findings, quiet=quiet)
        if not (quiet and is_well):
            click.echo(_verdict(found.findings) if found.checked_at else "unknown (nobody has looked there lately)")
    return 0 if is_well else 1


def _require_home(config: Config) -> bool:
    """Refuse where there is no home; one on a mount that hangs is for the checks to tell: return False."""
    from smart_cron.home import require_home
    from smart_cron.services.patience import Attempt

    attempt = Attempt(lambda: require_home(config), name="health-home")
    answers = attempt.wait(time.monotonic() + HOME_SECONDS)
    if attempt.fault is not None:
        raise attempt.fault
    return answers


def _is_crontab_line(*, quiet: bool, as_json: bool) -> bool:
    """Whether this is the specification's crontab line, whose slot the built-in task has.

    Whoever asks at a terminal or for an answer gets one, and so does our own task.
    """
    has_terminal = any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return not (quiet or as_json or has_terminal or "SMART_CRON_TASK" in os.environ)


def _tell_again(found: LatestHealth, config: Config) -> int:
    """Say what was found a moment ago; return its exit code."""
    from smart_cron.core.zones import zone

    assert found.checked_at is not None
    at = found.checked_at.astimezone(zone(config.time_zone))
    verdict = _verdict(found.findings)
    click.echo(f"Looked at {at:%H:%M:%S}: {verdict}. Look again: smart-cron health --quiet")
    return 0 if is_healthy(found.findings) else 1


def _exit_code(examination: Examination, kept: Kept) -> int:
    """Return 0 or 1. Our own task fails only where it could not look: what it found is told by alerts."""
    if os.environ.get("SMART_CRON_TASK") == HEALTH:
        return 1 if kept.faults else 0
    return 0 if examination.is_healthy else 1


def _print(examination: Examination, kept: Kept, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        print_json(_document(examination))
    else:
        _print_findings(examination.findings, quiet=quiet)
        if not (quiet and examination.is_healthy):
            click.echo(_verdict(examination.findings))
    for fault in kept.faults:
        complain(fault)


def _print_findings(findings: Sequence[Finding], *, quiet: bool) -> None:
    for finding in findings:
        if finding.is_issue or not quiet:
            click.echo(_line(finding))


def _line(finding: Finding) -> str:
    mark = click.style(f"{finding.status:<8}", fg=COLOURS[finding.status])
    text = f"{finding.check}: {finding.message.rstrip('.')}. {finding.remedy}"
    return f"{mark}  {printable(text.rstrip())}"


def _verdict(findings: Sequence[Finding]) -> str:
    counts = {
        status: sum(finding.status is status for finding in findings)
        for status in (CheckStatus.CRITICAL, CheckStatus.UNKNOWN, CheckStatus.WARNING)
    }
    named = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
    word = "healthy" if is_healthy(findings) else "unhealthy"
    return f"{word} ({named})" if named else word


def _document(examination: Examination) -> Mapping[str, Any]:
    return {
        "healthy": examination.is_healthy,
        "seconds": round(examination.seconds, 3),
        "findings": [_finding(finding) for finding in examination.findings],
    }


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {
        "check": finding.check,
        "status": finding.status,
        "severity": finding.severity,
        "message": finding.message,
        "remedy": finding.remedy,
        "measured": finding.measured,
        "threshold": finding.threshold,
        "unit": finding.unit,
        "node": finding.node,
        "response_time_ms": finding.response_time_ms,
    }


def _end(code: int, *, hangs: bool) -> None:
    if hangs:
        # A thread that waits in the kernel would keep an orderly end waiting, too.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    raise click.exceptions.Exit(code)
