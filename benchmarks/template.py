"""`python -m benchmarks.template SCRIPT [ARGUMENT...]`: the product itself makes the home and one planned task in it.

The benchmarks copy that task's row by SQL, as often as they need. A process of its own, since the store is set up for
one database a process. Prints the columns that a copy takes over, as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from smart_cron.config import load_config
from smart_cron.core.task import TaskDefinition
from smart_cron.engine.planner import Planner
from smart_cron.wiring import open_house, prepare
from smart_cron.wiring.mastering import engine_settings

NAME = "template"
# What each copy has for itself.
OWN = {"id", "task_name", "next_run_at"}


def definition(script: str, arguments: list[str]) -> TaskDefinition:
    """Return a task whose own schedule stays out of the way: its next slot is half a year off."""
    month = (datetime.now(UTC) + timedelta(days=182)).month
    return TaskDefinition(name=NAME, script=script, arguments=tuple(arguments), schedule=f"0 0 1 {month} *")


def main() -> None:
    config = load_config()
    prepare(config)
    house = open_house(config)
    house.store.tasks.add(definition(sys.argv[1], sys.argv[2:]), actor="benchmarks")
    now = house.clock.now()
    planner = Planner(plans=house.store.plans, settings=engine_settings(config), log=house.log, clock=house.clock)
    with house.store.database.transaction():
        planner.plan_chunk(now=now)
    print(json.dumps(copied_columns()))
    house.close()


def copied_columns() -> list[str]:
    """Return the columns of a task that are neither its own nor computed."""
    from smart_cron.store.models.tasks import TaskConfig

    fields = TaskConfig._meta.concrete_fields  # noqa: SLF001 - Django's documented name for it
    names = [str(field.column) for field in fields if not getattr(field, "generated", False)]
    return [name for name in names if name not in OWN]


if __name__ == "__main__":
    main()
