"""`smart-cron doctor --fix`: the safe steps, each asked for, and none where nobody can be asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.doctor_surroundings import impatient, owner_of, require_database
from smart_cron.faces.cli.errors import complain
from smart_cron.faces.cli.text import printable
from smart_cron.services.diagnosis.fixing import apply, fixes_of, in_words

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.services.diagnosis import Finding, Fix


def fix_findings(
    config: Config, findings: Sequence[Finding], *, actor: str, yes: bool, dry_run: bool, as_json: bool
) -> bool:
    """Take the steps that mend these findings; return whether one was taken. What is done is said on standard error."""
    steps = fixes_of(findings)
    if not steps:
        _say("There is nothing that doctor could mend by itself.")
        return False
    if dry_run:
        for step in steps:
            _say(f"Would {in_words(step)}.")
        return False
    if not yes and (as_json or not sys.stdin.isatty()):
        _say("Nothing was changed: there is no terminal to ask at. Call it with --yes, or see first with --dry-run.")
        return False
    taken = [_take(config, step, actor) for step in steps if yes or _agreed(step)]
    return any(taken)


def _agreed(step: Fix) -> bool:
    return click.confirm(printable(f"{in_words(step).capitalize()}?"), err=True)


def _take(config: Config, step: Fix, actor: str) -> bool:
    owner = config.state_dir.stat() if config.state_dir.is_dir() else None
    try:
        done = apply(
            step,
            owner_uid=owner_of(config),
            owner_gid=owner.st_gid if owner else -1,
            heal=lambda: _heal(config, actor),
        )
    except SmartCronError as error:
        # One that fails hides no other.
        complain(str(error))
        return False
    _say(f"{done[0].upper()}{done[1:]}.")
    return True


def _heal(config: Config, actor: str) -> int:
    from smart_cron.wiring import open_house

    require_database(config)
    house = open_house(impatient(config))
    try:
        return house.store.healing.heal_projections(actor=actor)
    finally:
        house.close()


def _say(sentence: str) -> None:
    click.echo(printable(sentence), err=True)
