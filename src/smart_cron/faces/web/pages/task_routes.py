"""Every address of tasks. Words that stand where a task's name would come before those with a name."""

from __future__ import annotations

from smart_cron.faces.web.guard import Route
from smart_cron.faces.web.pages import (
    task,
    task_actions,
    task_bulk,
    task_explain,
    task_form,
    task_revisions,
    task_slots,
    task_statistics,
    task_why,
    tasks,
)

ROUTES: tuple[Route, ...] = (
    *tasks.ROUTES,
    *task_bulk.ROUTES,
    *task_explain.ROUTES,
    *task_form.ROUTES,
    *task.ROUTES,
    *task_actions.ROUTES,
    *task_statistics.ROUTES,
    *task_slots.ROUTES,
    *task_why.ROUTES,
    *task_revisions.ROUTES,
)
