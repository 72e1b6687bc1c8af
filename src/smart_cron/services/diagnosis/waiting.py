"""Tasks not running, as the database tells it: what is held back, switched off, invalid, bound or waiting, and why."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta

from smart_cron.core.node import HoldKind
from smart_cron.core.run import Status
from smart_cron.core.task import Task
from smart_cron.services.diagnosis.facts import DatabaseFacts
from smart_cron.services.diagnosis.finding import Case, Finding, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.starting import facts_or_none

# A pass each minute starts a slot up to a minute late; twice that is no accident.
OVERDUE = timedelta(minutes=2)
# So many of a kind are named; the rest is counted.
NAMED = 5
RELEASES = {
    HoldKind.STOPPED: "Let starts go on: smart-cron stop-all --resume",
    HoldKind.RESTORED: "Settle the time since the backup, which lets starts go on: smart-cron recover",
    HoldKind.MOVED: "Set [database] url to the new database, or take this one back: smart-cron db move --undo",
    HoldKind.ARRIVING: "Call again what fills this database: smart-cron db move, or smart-cron db migrate",
}


def probe_tasks(surroundings: Surroundings) -> list[Finding]:
    """Tell why tasks do not run where they should."""
    facts = facts_or_none(surroundings)
    if facts is None:
        return []
    found = [*_held_back(facts), *_switched_off(facts), *_invalid(facts), *_bound(facts, surroundings)]
    found += [*_crowded(facts, surroundings), *_behind_a_group(facts), *_overdue(facts), *_for_a_person(facts)]
    return found or [_well(facts)]


def _held_back(facts: DatabaseFacts) -> Iterator[Finding]:
    for hold in facts.holds:
        since = f" since {at(hold.since)}" if hold.since else ""
        remedy = next((text for kind, text in RELEASES.items() if kind == hold.kind), "Ask whoever set it.")
        sentence = f"nothing is started on any node{since}: '{hold.kind}' by {hold.actor} ({hold.reason})."
        yield wrong("hold", sentence, remedy, case=Case.NOT_RUNNING)


def _switched_off(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.own and not facts.wanted:
        count = len(facts.own)
        sentence = "the only task is disabled." if count == 1 else f"all of the {count} tasks are disabled."
        remedy = f"Enable what should run: smart-cron task enable {name(facts.own[0])}"
        yield wrong("tasks", sentence, remedy, case=Case.NOT_RUNNING)


def _invalid(facts: DatabaseFacts) -> Iterator[Finding]:
    broken = [task for task in facts.enabled if task.invalid_reason]
    for task in broken[:NAMED]:
        yield wrong(
            "task",
            f"'{task.name}' is never planned: {(task.invalid_reason or '').rstrip('.')}.",
            f"Mend it: smart-cron task edit {name(task)}",
            case=Case.NOT_RUNNING,
        )
    if len(broken) > NAMED:
        sentence = f"{len(broken) - NAMED} more tasks are invalid."
        yield wrong("task", sentence, "See them all: smart-cron task list", case=Case.NOT_RUNNING)


def _bound(facts: DatabaseFacts, surroundings: Surroundings) -> Iterator[Finding]:
    offered = {tag for node in facts.living(surroundings.node_silence) for tag in node.tags}
    wanted: dict[str, list[str]] = {}
    for task in facts.enabled:
        if task.definition.node_tag and task.definition.node_tag not in offered:
            wanted.setdefault(task.definition.node_tag, []).append(task.name)
    for tag, names in sorted(wanted.items()):
        yield wrong(
            "node tag",
            f"no node that takes part has the tag '{tag}', to which {_some(names)} bound.",
            f"Give it to a node (node_tags), or unbind: smart-cron task edit {shlex.quote(names[0])} --node-tag ''",
            case=Case.NOT_RUNNING,
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{shown}{more} {'is' if len(names) == 1 else 'are'}"


def _crowded(facts: DatabaseFacts, surroundings: Surroundings) -> Iterator[Finding]:
    waiting = [row for row in facts.waiting(Status.WAITING) if _waits_long(row["due_at"], facts)]
    ours = [row for row in facts.held if row["node"] == surroundings.node]
    if not waiting or len(ours) < surroundings.max_concurrent or facts.holds:
        return
    oldest = min(ours, key=lambda row: row["claimed_at"] or facts.now)
    yield wrong(
        "places",
        f"all {surroundings.max_concurrent} places of this node are taken and {len(waiting)} runs wait; the longest "
        f"there is run {oldest['id']} of '{oldest['task_name']}', since {at(oldest['claimed_at'])}.",
        f"Raise max_concurrent in {surroundings.settings_file}, or end it: smart-cron run kill {oldest['id']}",
        case=Case.NOT_RUNNING,
    )


def _behind_a_group(facts: DatabaseFacts) -> Iterator[Finding]:
    groups: dict[str, int] = {}
    for row in facts.waiting(Status.BLOCKED):
        groups[str(row["task_group"])] = groups.get(str(row["task_group"]), 0) + 1
    for group, count in sorted(groups.items()):
        holders = [f"run {row['id']} of '{row['task_name']}'" for row in facts.held if row["task_group"] == group]
        by = f", taken by {', '.join(holders[:NAMED])}" if holders else ""
        yield note(
            "group",
            f"{'one run waits' if count == 1 else f'{count} runs wait'} for a place in the group '{group}'{by}.",
            f"Raise its number under [group_limits], or wait: smart-cron task list --group {shlex.quote(group)}",
            case=Case.NOT_RUNNING,
        )


def _overdue(facts: DatabaseFacts) -> Iterator[Finding]:
    late = [task for task in facts.wanted if not task.invalid_reason and _waits_long(task.next_run_at, facts)]
    if not late:
        return
    first = min(late, key=lambda task: task.next_run_at or facts.now)
    count = f"{len(late)} tasks are overdue; the first" if len(late) > 1 else "one task is overdue:"
    yield wrong(
        "overdue",
        f"{count} '{first.name}' was due at {at(first.next_run_at)} and nobody planned it.",
        f"See by which decisions: smart-cron why {name(first)} --at '{first.next_run_at:%Y-%m-%dT%H:%M:%SZ}'",
        case=Case.NOT_RUNNING,
    )


def _waits_long(due_at: datetime | None, facts: DatabaseFacts) -> bool:
    return due_at is not None and facts.now - due_at > OVERDUE


def _for_a_person(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.held_slots:
        sentence = f"{facts.held_slots} missed slots wait for a person (on_missed hold)."
        yield note("held slots", sentence, "Decide on them: smart-cron task held list", case=Case.NOT_RUNNING)


def _well(facts: DatabaseFacts) -> Finding:
    due = [task.next_run_at for task in facts.enabled if task.next_run_at]
    coming = f"; the next slot is at {at(min(due))}" if due else ""
    if not facts.own:
        # A new home has built-in tasks already, which are not counted among people's.
        ours = f"; built-in ones that are enabled: {len(facts.enabled)}" if facts.enabled else ""
        return ok("tasks", f"nobody added a task yet{ours}{coming}.")
    return ok("tasks", f"{len(facts.wanted)} of {len(facts.own)} tasks are enabled, none is overdue{coming}.")


def name(task: Task) -> str:
    """Return a task's name as a shell takes it."""
    return shlex.quote(task.name)


def at(moment: datetime | None) -> str:
    """Return an instant in words."""
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
