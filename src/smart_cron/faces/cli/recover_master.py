"""What `smart-cron recover` does about a master or a unit that is down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron.core.errors import SmartCronError

if TYPE_CHECKING:
    from smart_cron.services.diagnosis.facts import Starters
    from smart_cron.wiring import House


def starters_of(house: House) -> Starters:
    """Return what is installed that starts this home's master."""
    from smart_cron.home import account_name
    from smart_cron.services.diagnosis.starters import look_for_starters

    config = house.config
    owner = account_name(config.state_dir.stat().st_uid)
    return look_for_starters(owner=owner, home=None if config.home == Path("/") else config.home)


def has_unit(house: House, unit: str) -> bool:
    """Whether systemd is at work here and has this unit for this home."""
    found = starters_of(house)
    return found.systemd and unit in found.units


def start_unit(unit: str) -> str:
    """Have systemd start it; return what came of that as a sentence."""
    from smart_cron.services.autostart import systemctl

    try:
        systemctl("start", unit)
    except SmartCronError as error:
        return f"It was not started: {error.message}"
    return f"systemd has started {unit}."


def start_detached(house: House) -> str:
    """Start a master that goes on when this command is over; return what came of that as a sentence."""
    from smart_cron.wiring.detached import start_master

    try:
        pid = start_master(house)
    except SmartCronError as error:
        return f"It was not started: {error.message}"
    return f"One works (process {pid}). 'smart-cron service install' has it started after a reboot, too."
