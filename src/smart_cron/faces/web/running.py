"""A run that somebody asks for on a page: once, however often the form comes (SECURITY 40)."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from smart_cron.core.audit import Actor
from smart_cron.core.run import Trigger
from smart_cron.core.task import Task
from smart_cron.store.gateway import Store

# Two tabs have two tokens; what the same person asks for twice within this is asked for once.
SAME_WITHIN = timedelta(seconds=1)
# No look at what was asked for last may come between another one's look and its run.
_TURN = threading.Lock()


def run_once(store: Store, task: Task, arguments: Sequence[str] | None, *, actor: Actor, token: str) -> int:
    """Return the number of the run. Raise TaskBusyError where the task's overlap policy forbids another.

    *token* is the form's own, made when its page was: the same one brings the same run.
    """
    # Late: models are there once Django is set up.
    from smart_cron.store.people.once import Once

    question = f"run {task.id} {json.dumps(arguments)}"
    with _TURN:
        number, _ = Once(store.session).do(
            actor.user_id or 0, f"page {token} {task.id}", question, lambda: _run(store, task, arguments, actor)
        )
    return number


def _run(store: Store, task: Task, arguments: Sequence[str] | None, actor: Actor) -> int:
    now = datetime.now(UTC)
    wanted = None if arguments is None else json.dumps(list(arguments))
    for row in store.history.runs(task_id=task.id, limit=5):
        is_same = row["triggered_by"] == Trigger.MANUAL and row["requested_by"] == actor
        if is_same and row["run_arguments"] == wanted and timedelta() <= now - row["created_at"] < SAME_WITHIN:
            return int(row["id"])
    return store.tasks.request_run(task.id, arguments=arguments, actor=actor, now=now)
