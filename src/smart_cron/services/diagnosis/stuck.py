"""Stuck in running: what is shown as running against what really lives, by the run files that supervisors hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from smart_cron.core.node import FROZEN_PATIENCE, LAUNCH_WINDOW, NodeState
from smart_cron.core.run import Status
from smart_cron.services.diagnosis.facts import DatabaseFacts
from smart_cron.services.diagnosis.finding import Case, Finding, Fix, FixKind, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.starting import facts_or_none
from smart_cron.services.diagnosis.waiting import NAMED, at
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.stopping import running_here

Row = Mapping[str, Any]
RECORD = "Have it recorded: smart-cron master --once"


def probe_runs(surroundings: Surroundings) -> list[Finding]:
    """Tell how many runs live here, whatever the database says."""
    folder = surroundings.folders.get("runs")
    if folder is None or not folder.is_dir():
        return []
    living = running_here(folder)
    if not living:
        return [ok("runs", "no run is alive on this node.")]
    count = "one run is" if len(living) == 1 else f"{len(living)} runs are"
    return [ok("runs", f"{count} alive on this node, each held by its supervisor; they go on without a database.")]


def probe_stuck(surroundings: Surroundings) -> list[Finding]:
    """Tell of tasks that are shown as running and are not, and of runs that ought to have ended."""
    facts = facts_or_none(surroundings)
    if facts is None:
        return []
    found = [*_marked(facts), *_on_silent_nodes(facts, surroundings), *_held_here(facts, surroundings)]
    return found or [ok("running", f"what is shown as running ({len(facts.held)}) is what runs.")]


def _marked(facts: DatabaseFacts) -> Iterator[Finding]:
    busy = facts.busy_tasks()
    marked = [task for task in facts.tasks if task.is_running and task.id not in busy]
    if not marked:
        return
    names = ", ".join(f"'{task.name}'" for task in marked[:NAMED])
    more = f" and {len(marked) - NAMED} more" if len(marked) > NAMED else ""
    yield wrong(
        "is_running",
        f"{names}{more} {'is' if len(marked) == 1 else 'are'} marked as running, and no run of them is under way; "
        "no slot waits for that.",
        "Heal the mark, as a master does by itself: smart-cron doctor --fix",
        case=Case.STUCK,
        fix=Fix(kind=FixKind.HEAL),
    )


def _on_silent_nodes(facts: DatabaseFacts, surroundings: Surroundings) -> Iterator[Finding]:
    for node in facts.nodes:
        if node.held and node.state(now=facts.now, silence=surroundings.node_silence) is NodeState.SILENT:
            if node.name == surroundings.node:
                continue  # This very machine: its run files tell more.
            yield wrong(
                "silent node",
                f"node '{node.name}' was heard of last at {at(node.heard_at)} and holds {node.held} "
                f"run{'' if node.held == 1 else 's'}.",
                f"Bring it back; or, where it is gone for good: smart-cron node forget {node.name}",
                case=Case.STUCK,
            )


def _held_here(facts: DatabaseFacts, surroundings: Surroundings) -> Iterator[Finding]:
    folder = surroundings.folders.get("runs")
    ours = [row for row in facts.held if row["node"] == surroundings.node]
    if folder is None or not folder.is_dir() or not ours:
        return
    works = surroundings.master_works()
    for row in ours[: 4 * NAMED]:
        found = _judge_held(row, facts, folder, master_works=works)
        if found is not None:
            yield found


def _judge_held(row: Row, facts: DatabaseFacts, folder: Path, *, master_works: bool) -> Finding | None:
    held_for = facts.now - (row["claimed_at"] or facts.now)
    file = _run_file(folder, row)
    what = f"run {row['id']} of '{row['task_name']}'"
    if file is not None and file.locked:
        return _judge_living(row, what, held_for)
    if file is not None and file.finished is not None:
        return (
            None
            if master_works
            else note("results", f"{what} is over; its result waits to be recorded.", RECORD, case=Case.STUCK)
        )
    if held_for < LAUNCH_WINDOW or master_works:
        return None  # It may still start, and a master settles within moments what cannot.
    sentence = f"{what} is shown as {row['status']} since {at(row['claimed_at'])}, and no process of it lives."
    return wrong("stuck run", sentence, RECORD, case=Case.STUCK)


def _judge_living(row: Row, what: str, held_for: timedelta) -> Finding | None:
    allowed = timedelta(seconds=row["allowed_seconds"] or 0) + LAUNCH_WINDOW + FROZEN_PATIENCE
    if not row["allowed_seconds"] or held_for <= allowed or row["status"] == Status.CLAIMED:
        return None
    sentence = f"{what} lives, and should have been ended at {at(row['claimed_at'] + allowed)} at the latest."
    return wrong("stuck run", sentence, f"End it: smart-cron run kill {row['id']}", case=Case.STUCK)


def _run_file(folder: Path, row: Row) -> runfile.RunFile | None:
    return runfile.read(os.fspath(folder), row["run_id"]) if row["run_id"] else None
