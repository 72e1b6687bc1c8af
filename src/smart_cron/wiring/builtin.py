"""The rows of our own tasks, entered when a home is made. What is there already stays as it is."""

from __future__ import annotations

from smart_cron.config import Config
from smart_cron.core import builtin
from smart_cron.core.errors import TaskExistsError
from smart_cron.core.task import TaskDefinition
from smart_cron.store.gateway import Store
from smart_cron.wiring import BY_INIT, open_house


def enter_builtin_tasks(config: Config) -> list[str]:
    """Enter what is missing; return a sentence for each thing done, and for each name that another task has."""
    house = open_house(config)
    try:
        return [sentence for each in builtin.DEFINITIONS if (sentence := _entered(house.store, each))]
    finally:
        house.close()


def _entered(store: Store, definition: TaskDefinition) -> str | None:
    try:
        store.tasks.add(definition, actor=BY_INIT)
    except TaskExistsError:
        there = store.tasks.get(definition.name).definition
        if builtin.is_builtin(there):
            return None
        return f"a task of yours is named {definition.name}: rename it and call this again for the built-in one"
    return f"entered the task {definition.name} ({definition.schedule})"
