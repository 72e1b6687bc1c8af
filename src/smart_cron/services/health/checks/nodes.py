"""Do all nodes take part, and is there one at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.node import NodeRecord, NodeState
from smart_cron.core.ports import Database, NodeStore
from smart_cron.core.ports.health import HealthFacts
from smart_cron.services.health.checks.words import count, some

NAME = "nodes"
START = "Start it: 'smart-cron master', or 'smart-cron service install' for good."


def look(nodes: NodeStore, facts: HealthFacts, database: Database, *, silence: timedelta) -> Finding:
    """Ask who was heard of lately."""
    return judge(nodes.nodes(), now=database.now(), silence=silence, tasks=facts.enabled_tasks())


def judge(records: Sequence[NodeRecord], *, now: datetime, silence: timedelta, tasks: int) -> Finding:
    """Return what is to be said of these nodes, where so many tasks are switched on."""
    states = {record.name: record.state(now=now, silence=silence) for record in records}
    known = {name: state for name, state in states.items() if state is not NodeState.FORGOTTEN}
    silent = [name for name, state in known.items() if state is NodeState.SILENT]
    working = len(known) - len(silent)
    if not working and tasks:
        return _nobody(bool(known))
    if silent:
        return _silent(silent, sum(record.held for record in records if record.name in silent))
    verb = "takes" if working == 1 else "take"
    message = f"{count(working, 'node')} {verb} part." if working else "there is no task."
    return Finding(check=NAME, status=CheckStatus.OK, message=message, measured=0.0, threshold=1.0, unit="silent nodes")


def _nobody(has_been: bool) -> Finding:
    if not has_been:
        sentence = "no master has worked here yet: no task starts."
        return Finding(check=NAME, status=CheckStatus.WARNING, message=sentence, remedy=START)
    sentence = "no master works any more, on no node: no task starts."
    return Finding(check=NAME, status=CheckStatus.CRITICAL, message=sentence, remedy=START)


def _silent(names: Sequence[str], held: int) -> Finding:
    what_of = f"; {count(held, 'run')} of theirs cannot be reached" if held else ""
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL if held else CheckStatus.WARNING,
        message=f"{count(len(names), 'node')} {'says' if len(names) == 1 else 'say'} nothing any more: "
        f"{some(names)}{what_of}.",
        remedy=f"Look at it; when it is gone for good: smart-cron node forget {names[0]}",
        measured=float(len(names)),
        threshold=1.0,
        unit="silent nodes",
    )
