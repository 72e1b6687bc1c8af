"""`smart-cron doctor --fix`: the safe steps, each asked for, and none where nobody can be asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.doctor_surroundings import impatient, require_database
from smart_cron.faces.cli.errors import complain
from smart_cron.faces.cli.text import printable
from smart_cron.services.diagnosis.fixing import apply, fixes_of, in_words

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.faces.cli.doctor import Mending
    from smart_cron.services.diagnosis import Finding, Fix


def fix_findings(config: Config | None, findings: Sequence[Finding], mending: Mending) -> bool:
    """Take the steps that mend these findings; return whether one was taken. What is done is said on standard error.

    Without settings only their own file can be mended.
    """
    steps = fixes_of(findings)
    if not steps:
        _say("There is nothing that doctor could mend by itself.")
        return False
    if mending.dry_run:
        for step in steps:
            _say(f"Would {in_words(step)}.")
        return False
    if not mending.yes and (mending.as_json or not sys.stdin.isatty()):
        _say("Nothing was changed: there is no terminal to ask at. Call it with --yes, or see first with --dry-run.")
        return False
    taken = [_take(config, step, mending.actor) for step in steps if mending.yes or _agreed(step)]
    return any(taken)


def _agreed(step: Fix) -> bool:
    return click.confirm(printable(f"{in_words(step).capitalize()}?"), err=True)


def _take(config: Config | None, step: Fix, actor: str) -> bool:
    owner = config.state_dir.stat() if config and config.state_dir.is_dir() else None
    try:
        done = apply(
            step,
            owner_uid=owner.st_uid if owner else os.geteuid(),
            owner_gid=owner.st_gid if owner else -1,
            heal=lambda: _heal(config, actor),
        )
    except SmartCronError as error:
        # One that fails hides no other.
        complain(str(error))
        return False
    _say(f"{done[0].upper()}{done[1:]}.")
    return True


def _heal(config: Config | None, actor: str) -> int:
    from smart_cron.wiring import open_house

    assert config is not None, "only what a database tells asks for this"
    require_database(config)
    house = open_house(impatient(config))
    try:
        return house.store.healing.heal_projections(actor=actor)
    finally:
        house.close()


def _say(sentence: str) -> None:
    click.echo(printable(sentence), err=True)
