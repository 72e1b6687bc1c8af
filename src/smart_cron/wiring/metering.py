"""Figures of one house: what is exported, and what this node adds to it each minute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smart_cron import __version__
from smart_cron.core.errors import SmartCronError
from smart_cron.services.metrics.exposition import exposition
from smart_cron.services.metrics.samples import Sampler
from smart_cron.services.metrics.textfile import write_whole
from smart_cron.services.metrics.traces import TraceExport, open_exporter
from smart_cron.taskrunner import runfile
from smart_cron.wiring import House


def metrics_text(house: House) -> str:
    """Return what a scrape gets now."""
    limit = house.config.metrics.task_label_limit
    return exposition(house.store.figures, task_label_limit=limit, version=__version__)


def write_textfile(house: House, path: Path) -> None:
    """Put the figures where node_exporter finds them. Raise SmartCronError where that cannot be."""
    write_whole(path, metrics_text(house))


def new_sampler(house: House) -> Sampler:
    """Return what samples this node; for one thread, since the mean of the CPU is since its last call."""
    config = house.config
    return Sampler(
        store=house.store.samples,
        clock=house.clock,
        node=config.node_name,
        directories=(config.state_dir, config.log_dir, config.run_dir, config.backup_dir),
        unrecorded=_unrecorded(house),
    )


def trace_export(house: House) -> TraceExport | None:
    """Return what hands recorded runs to a collector; None where none is set, or where the extra is missing."""
    config = house.config
    if not config.metrics.otlp_endpoint:
        return None
    try:
        exporter = open_exporter(config.metrics.otlp_endpoint)
    except SmartCronError as error:
        house.log.error("Traces are not exported", reason=str(error))
        return None
    return TraceExport(store=house.store.traces, recorded=house.recorded, exporter=exporter, node=config.node_name)


def _unrecorded(house: House) -> Callable[[], int]:
    runs_dir = house.config.state_dir / "runs"

    def count() -> int:
        """Count the runs of this node that ended and of which the database does not know it."""
        held = house.store.records.held(node=house.config.node_name)
        files = (runfile.read(runs_dir, run.run_id) for run in held)
        return sum(file is not None and file.finished is not None for file in files)

    return count
