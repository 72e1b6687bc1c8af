"""Which nodes may be struck out: those that are gone, and of which nothing lives on this machine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from smart_cron.core.errors import SmartCronError, UnknownNodeError
from smart_cron.core.node import NodeRecord, NodeState

if TYPE_CHECKING:
    from smart_cron.taskrunner.records import RunFile
    from smart_cron.wiring import House

SHOWN = 5


def forgettable(house: House, name: str) -> NodeRecord:
    """Return the node of this name. Raise SmartCronError where it is none, alive, or runs something here."""
    record = next((record for record in house.store.nodes.nodes() if record.name == name), None)
    if record is None:
        raise UnknownNodeError(name)
    silence = timedelta(seconds=house.config.node_silence_seconds)
    if record.state(now=house.store.database.now(), silence=silence) is NodeState.ALIVE:
        raise SmartCronError(f"node '{name}' is alive.", remedy="Stop its master first.")
    _require_nothing_alive(house, record)
    return record


def _require_nothing_alive(house: House, record: NodeRecord) -> None:
    """Runs go on without a master: those of this very state directory can be seen, and are not lost."""
    from smart_cron.taskrunner import runfile
    from smart_cron.taskrunner.stopping import running_here

    config = house.config
    ours = runfile.incarnation(config.state_dir).partition(":")[2]
    living = running_here(config.state_dir / "runs") if record.identity == ours else []
    if living:
        what = "1 run" if len(living) == 1 else f"{len(living)} runs"
        raise SmartCronError(
            f"{what} of node '{record.name}' {'lives' if len(living) == 1 else 'live'} on this "
            f"machine: {', '.join(sorted(_named(file) for file in living)[:SHOWN])}.",
            remedy="Start its master, which records how they end; or end them first by 'smart-cron stop-all'.",
        )


def _named(file: RunFile) -> str:
    name = str((file.started or {}).get("task", file.run_id))
    return f"'{''.join(letter if letter.isprintable() else '?' for letter in name)}'"
