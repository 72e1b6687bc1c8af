"""The weekly digest of one node, told by its master: reading a week of logs takes as long as it takes."""

from __future__ import annotations

from smart_cron.core.alert import Alarm
from smart_cron.core.health import Finding
from smart_cron.services.health import weekly
from smart_cron.services.health.tally import Tallies
from smart_cron.wiring import House


def tell_weekly(house: House) -> bool:
    """Raise this week's digest, where this node had none; return whether it had to be told."""
    config, now = house.config, house.clock.now()
    if not weekly.is_due(house.store.health.last_details(weekly.NAME, node=config.node_name), now):
        return False
    if not weekly.has_past(config.log_dir, now=now):
        return False
    tallies = Tallies(config.state_dir)
    week = weekly.look_back(config.log_dir, tallies, now=now)
    finding, alarm = weekly.digest(week, node=config.node_name, now=now)
    house.store.session.again(lambda: _enter(house, finding, alarm))
    weekly.forget(tallies)
    return True


def _enter(house: House, finding: Finding, alarm: Alarm | None) -> None:
    """The alert and the row that says that this week had one are one transaction: it is told once."""
    store = house.store
    store.health.note([finding])
    if alarm is not None:
        # Last week's is over, which nobody needs to hear: one that stands open would only be counted up.
        store.alerts.resolve_causes([alarm.cause], by=weekly.NAME, by_person=True)
        store.alerts.raise_alarms([alarm])
