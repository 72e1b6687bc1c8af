"""Builds what has to do with dead-man's switches beside a master, from a house and its settings."""

from __future__ import annotations

from datetime import timedelta

from smart_cron.config import Config
from smart_cron.services.notify.ping import START_SECONDS, StartPings
from smart_cron.services.notify.web_call import WebCaller
from smart_cron.services.pings.own import SchedulerPing
from smart_cron.services.pings.watching import SilenceWatch
from smart_cron.wiring import House
from smart_cron.wiring.channels import guard_of

OWN_SECONDS = 10.0


def silence_watch(house: House) -> SilenceWatch:
    """Return who notices that a job elsewhere is silent."""
    return SilenceWatch(house.store.pings, house.log)


def scheduler_ping(house: House) -> SchedulerPing | None:
    """Return who says elsewhere that this scheduler lives, or None where nobody asks for it."""
    url = house.config.ping_url.get_secret_value()
    if not url:
        return None
    caller = WebCaller(guard_of(house.config), total_seconds=OWN_SECONDS)
    return SchedulerPing(
        node=house.config.node_name,
        silence=timedelta(seconds=house.config.node_silence_seconds),
        database=house.store.database,
        nodes=house.store.nodes,
        call=lambda: caller.call(url),
        log=house.log,
    )


def start_pings(house: House) -> StartPings:
    """Return who tells of the starts of runs, not begun yet."""
    return StartPings(start_caller(house.config), house.log)


def start_caller(config: Config) -> WebCaller:
    """Return who calls the addresses of starts."""
    return WebCaller(guard_of(config), total_seconds=START_SECONDS)
