"""Figures as Prometheus reads them: its text format 0.0.4, conventional names, base units.

Each family is one entry of a table here, and `contrib` and the documentation are held against that table by a test.
The text is written here and read back in tests by the official client: its own writer took three quarters of a scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.alert import Severity
from smart_cron.core.exported import Figures, TaskFigures
from smart_cron.core.ports.metrics import FigureStore
from smart_cron.core.sample import NodeSample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MEGABYTE = 1024 * 1024
TASK_STATES = ("enabled", "disabled", "invalid")
Value = int | float
# What follows the name (`_sum`, `_count` or nothing), labels as `_label` writes them, value.
Series = tuple[str, str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Series of one name, a counter's with its `_total`. `kind` is counter, gauge or summary."""

    name: str
    kind: str
    words: str
    series: Callable[[Figures], Iterable[Series]]

    def lines(self, figures: Figures) -> list[str]:
        """Return what it says of these figures, line by line; nothing where it has no series."""
        name = self.name
        # repr() has every digit, and Prometheus reads floating-point numbers as Go does, `inf` and `nan` too.
        found = [f"{name}{tail}{labels} {float(value)!r}" for tail, labels, value in self.series(figures)]
        return [f"# HELP {name} {self.words}", f"# TYPE {name} {self.kind}", *found] if found else []


def exposition(store: FigureStore, *, task_label_limit: int, version: str) -> str:
    """Return what a scrape of this moment gets."""
    return rendered(store.figures(named=task_label_limit), version=version)


def rendered(figures: Figures, *, version: str) -> str:
    """Return these figures as text."""
    built = Family(
        name="smart_cron_build_info",
        kind="gauge",
        words="The version that answers.",
        series=lambda _: [("", _label("version", version), 1)],
    )
    lines = [line for family in (built, *FAMILIES) for line in family.lines(figures)]
    return "\n".join([*lines, ""])


def _label(name: str, value: str) -> str:
    return f'{{{name}="{_escaped(value)}"}}'


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _of_tasks(value: Callable[[TaskFigures], Value | None]) -> Callable[[Figures], Iterator[Series]]:
    def series(figures: Figures) -> Iterator[Series]:
        for task in figures.named_tasks:
            found = value(task)
            if found is not None:
                yield "", _label("task", task.name), found

    return series


def _runs(figures: Figures) -> Iterator[Series]:
    for task in figures.named_tasks:
        name = _escaped(task.name)
        yield "", f'{{result="success",task="{name}"}}', task.successes
        yield "", f'{{result="failure",task="{name}"}}', task.failures


def _durations(figures: Figures) -> Iterator[Series]:
    for task in figures.named_tasks:
        labels = _label("task", task.name)
        yield "_sum", labels, task.timed_seconds
        yield "_count", labels, task.timed_runs


def _timestamp(instant: datetime | None) -> float | None:
    return None if instant is None else round(instant.timestamp(), 3)


def _by(
    label: str, counts: Callable[[Figures], Mapping[str, int]], always: Iterable[str]
) -> Callable[..., list[Series]]:
    """Return series of counts by one label; what is *always* told is 0 where it is not counted."""
    known = dict.fromkeys(always, 0)
    return lambda figures: [("", _label(label, key), count) for key, count in {**known, **counts(figures)}.items()]


def _one(value: Callable[[Figures], Value | None]) -> Callable[[Figures], list[Series]]:
    def series(figures: Figures) -> list[Series]:
        found = value(figures)
        return [] if found is None else [("", "", found)]

    return series


def _of_nodes(value: Callable[[NodeSample], Value | None]) -> Callable[[Figures], Iterator[Series]]:
    def series(figures: Figures) -> Iterator[Series]:
        for sample in figures.samples:
            found = value(sample)
            if found is not None:
                yield "", _label("node", sample.node), found

    return series


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * MEGABYTE


def _held_back(figures: Figures) -> Mapping[str, int]:
    return {reason: count for reason, count in figures.waiting.items() if reason != "waiting"}


FAMILIES = (
    Family(
        name="smart_cron_runs_total",
        kind="counter",
        words="Runs that ended, retries too.",
        series=_runs,
    ),
    Family(
        name="smart_cron_run_duration_seconds",
        kind="summary",
        words="How long runs took whose end was seen.",
        series=_durations,
    ),
    Family(
        name="smart_cron_task_last_run_timestamp_seconds",
        kind="gauge",
        words="When the task was started last.",
        series=_of_tasks(lambda task: _timestamp(task.last_run_at)),
    ),
    Family(
        name="smart_cron_task_next_run_timestamp_seconds",
        kind="gauge",
        words="When the task is to start next.",
        series=_of_tasks(lambda task: _timestamp(task.next_run_at)),
    ),
    Family(
        name="smart_cron_task_consecutive_failures",
        kind="gauge",
        words="Slots that failed since the last one that was won.",
        series=_of_tasks(lambda task: task.consecutive_failures),
    ),
    Family(
        name="smart_cron_task_running",
        kind="gauge",
        words="Whether the task runs now.",
        series=_of_tasks(lambda task: task.running),
    ),
    Family(
        name="smart_cron_tasks",
        kind="gauge",
        words="Tasks by state.",
        series=_by("state", lambda figures: figures.tasks, TASK_STATES),
    ),
    Family(
        name="smart_cron_alerts_open",
        kind="gauge",
        words="Alerts that are not resolved.",
        series=_by("severity", lambda figures: figures.open_alerts, Severity),
    ),
    Family(
        name="smart_cron_queue_waiting",
        kind="gauge",
        words="Executions that may start as soon as a place is free.",
        series=_one(lambda figures: figures.waiting.get("waiting", 0)),
    ),
    Family(
        name="smart_cron_queue_held_back",
        kind="gauge",
        words="Executions that may not start yet: retries until their time, others behind a run or a full group.",
        series=_by("reason", _held_back, ("delayed", "queued", "blocked")),
    ),
    Family(
        name="smart_cron_runs_running",
        kind="gauge",
        words="Runs that are claimed or running, on all nodes.",
        series=_one(lambda figures: figures.running),
    ),
    Family(
        name="smart_cron_start_lateness_average_seconds",
        kind="gauge",
        words="How late slots were started on average, of the runs that ended in this hour and the one before.",
        series=_one(lambda figures: figures.lateness_sum / figures.lateness_runs if figures.lateness_runs else None),
    ),
    Family(
        name="smart_cron_start_lateness_max_seconds",
        kind="gauge",
        words="How late a slot was started at most, of the runs that ended in this hour and the one before.",
        series=_one(lambda figures: figures.lateness_max),
    ),
    Family(
        name="smart_cron_deliveries_pending",
        kind="gauge",
        words="Messages that are not sent yet.",
        series=_one(lambda figures: figures.deliveries_pending),
    ),
    Family(
        name="smart_cron_deliveries_failed",
        kind="gauge",
        words="Messages of the last 24 hours that were given up.",
        series=_one(lambda figures: figures.deliveries_failed),
    ),
    Family(
        name="smart_cron_node_sample_timestamp_seconds",
        kind="gauge",
        words="When the node was sampled last; it is every minute while its master works.",
        series=_of_nodes(lambda sample: _timestamp(sample.sampled_at)),
    ),
    Family(
        name="smart_cron_node_cpu_usage_ratio",
        kind="gauge",
        words="CPU of the machine that was busy, 0 to 1.",
        series=_of_nodes(lambda sample: _ratio(sample.cpu_percent)),
    ),
    Family(
        name="smart_cron_node_load1",
        kind="gauge",
        words="The machine's load over one minute.",
        series=_of_nodes(lambda sample: sample.load_1m),
    ),
    Family(
        name="smart_cron_node_memory_usage_ratio",
        kind="gauge",
        words="Memory of the machine that is not available, 0 to 1.",
        series=_of_nodes(lambda sample: _ratio(sample.memory_percent)),
    ),
    Family(
        name="smart_cron_node_memory_used_bytes",
        kind="gauge",
        words="Memory of the machine that is not available.",
        series=_of_nodes(lambda sample: _bytes(sample.memory_used_mb)),
    ),
    Family(
        name="smart_cron_node_swap_usage_ratio",
        kind="gauge",
        words="Swap that is used, 0 to 1.",
        series=_of_nodes(lambda sample: _ratio(sample.swap_percent)),
    ),
    Family(
        name="smart_cron_node_disk_usage_ratio",
        kind="gauge",
        words="How full the fullest of our directories is, 0 to 1.",
        series=_of_nodes(lambda sample: _ratio(sample.disk_percent)),
    ),
    Family(
        name="smart_cron_node_disk_free_bytes",
        kind="gauge",
        words="What is free in the fullest of our directories.",
        series=_of_nodes(lambda sample: _bytes(sample.disk_free_mb)),
    ),
    Family(
        name="smart_cron_node_inode_usage_ratio",
        kind="gauge",
        words="Inodes used where most are, of our directories, 0 to 1.",
        series=_of_nodes(lambda sample: _ratio(sample.inode_percent)),
    ),
    Family(
        name="smart_cron_node_runs_running",
        kind="gauge",
        words="Runs that the node holds.",
        series=_of_nodes(lambda sample: sample.running),
    ),
    Family(
        name="smart_cron_node_results_unrecorded",
        kind="gauge",
        words="Results on the node's disk that the database does not have yet.",
        series=_of_nodes(lambda sample: sample.unrecorded),
    ),
)
