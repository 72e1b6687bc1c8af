"""The process that sends one message by apprise: its order comes by standard input, its answer goes by standard output.

It is bounded in time, memory and processor time by the kernel, and by the wall in what it can reach.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
from typing import Any

from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.apprise_wall import Wall
from smart_cron.services.notify.deadline import Deadline
from smart_cron.services.notify.guard import Guard

MAX_MEMORY_BYTES = 1 << 30
MAX_ORDER_BYTES = 1_000_000
TYPES = {"critical": "failure", "error": "failure", "warning": "warning", "info": "info"}


def main() -> int:
    """Send what the order says and answer."""
    order = json.loads(sys.stdin.buffer.read(MAX_ORDER_BYTES))
    _bound(float(order["seconds"]))
    answers = os.dup(1)
    # Nothing that foreign code prints is taken for the answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    guard = Guard(hosts=order["hosts"], networks=order["networks"])
    os.write(answers, json.dumps(deliver(order, guard)).encode())
    # Threads of foreign code are not waited for.
    os._exit(0)


def deliver(order: dict[str, Any], guard: Guard) -> dict[str, object]:
    """Return the answer for an order; the wall around this process stays."""
    import apprise

    wall = Wall(guard, Deadline(float(order["seconds"])))
    # These are opened at the first message; behind the wall it would be too late for what they start.
    apprise.Apprise(asset=_asset(apprise)).details()
    wall.build()
    plugin = apprise.Apprise.instantiate(order["url"], asset=_asset(apprise), suppress_exceptions=True)
    if plugin is None:
        remedy = "Look it up in apprise's list of services; a local service of this machine is none."
        return _refusal(DeliveryError("this is no apprise address", permanent=True, remedy=remedy))
    name = str(getattr(plugin, "service_name", "the service"))
    sender = apprise.Apprise(asset=_asset(apprise))
    sender.add(plugin)
    kind = apprise.NotifyType(TYPES.get(order["severity"], "info"))
    taken = sender.notify(title=order["title"], body=order["body"], notify_type=kind, body_format="text")
    if taken:
        return {"ok": True, "words": f"{name} took it"}
    return _refusal(wall.reason(name))


def _asset(apprise: Any) -> Any:
    # One thread, no storage on disk, no plugin of the user's own.
    return apprise.AppriseAsset(async_mode=False, app_id="Smart Cron", app_desc="Smart Cron", plugin_paths=None)


def _refusal(error: DeliveryError) -> dict[str, object]:
    return {"ok": False, "words": error.message, "remedy": error.remedy, "permanent": error.permanent}


def _bound(seconds: float) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    processor_seconds = math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (processor_seconds, processor_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
