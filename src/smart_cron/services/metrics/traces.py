"""Traces by OpenTelemetry, made after the fact from what was recorded: nothing is measured twice, no run waits.

A trace is one run: its root reaches from the slot to the record, and below it lie waiting, claim, run and record. Its
number is made of the run id, so that the same run has the same trace wherever it is told from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports.metrics import TraceStore
from smart_cron.core.traced import RecordedRuns, TracedRun

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORT_RUNS = 500
TIMEOUT_SECONDS = 5
REMEDY = "Install the extra: pip install 'smart-cron[telemetry]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A span to be: a name and two instants."""

    name: str
    begin: datetime
    end: datetime


def stretches(run: TracedRun, *, recorded_at: datetime) -> list[Stretch]:
    """Return the root, which is the first, and the parts of a run that there were; none ends before it begins."""
    due = run.due_at or run.scheduled_for or run.claimed_at or run.started_at or recorded_at
    marks = [
        ("wait", due, run.claimed_at),
        ("claim", run.claimed_at, run.started_at),
        ("run", run.started_at, run.completed_at),
        ("record", run.completed_at, recorded_at),
    ]
    parts = [Stretch(name=name, begin=begin, end=max(begin, end)) for name, begin, end in marks if begin and end]
    ends = max([due, *(part.end for part in parts)])
    begins = min([due, *(part.begin for part in parts)])
    return [Stretch(name=f"task {run.task_name}", begin=begins, end=ends), *parts]


def attributes(run: TracedRun) -> dict[str, str | int]:
    """Return what is told of a run beside its instants."""
    told: dict[str, str | int | None] = {
        "smart_cron.task": run.task_name,
        "smart_cron.execution_id": run.execution_id,
        "smart_cron.run_id": run.run_id,
        "smart_cron.status": run.status,
        "smart_cron.attempt": run.attempt,
        "smart_cron.triggered_by": run.triggered_by,
        "smart_cron.node": run.node,
        "smart_cron.scheduled_for": run.scheduled_for.isoformat() if run.scheduled_for else None,
        "smart_cron.error_type": run.error_type,
        "process.exit.code": run.exit_code,
    }
    return {name: value for name, value in told.items() if value is not None}


class TraceExport:
    """Hands recorded runs to a collector, some at a time, from a thread that may wait for it."""

    def __init__(self, *, store: TraceStore, recorded: RecordedRuns, exporter: SpanExporter, node: str) -> None:
        self._store, self._recorded, self._exporter = store, recorded, exporter
        self._node = node

    def export(self) -> int:
        """Export what was recorded since the last call; return how many runs.

        Raise SmartCronError where it fails: what was in hand is for the next call. A trace told twice has one number.
        """
        count = 0
        while taken := self._recorded.take(EXPORT_RUNS):
            try:
                count += self._hand_over(taken)
            except BaseException:
                self._recorded.put_back(taken)
                raise
        return count

    def _hand_over(self, taken: Mapping[int, datetime]) -> int:
        runs = self._store.traced(sorted(taken))
        spans = [span for run in runs for span in _spans(run, taken[run.execution_id], self._node)]
        if spans and self._exporter.export(spans).name != "SUCCESS":
            raise SmartCronError(
                f"traces of {len(runs)} runs were not taken.", remedy="Does metrics.otlp_endpoint answer?"
            )
        return len(runs)


def open_exporter(endpoint: str) -> SpanExporter:
    """Return an exporter by OTLP over HTTP. Raise SmartCronError where the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise SmartCronError("metrics.otlp_endpoint is set, but OpenTelemetry is missing.", remedy=REMEDY) from None
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_SECONDS)


def _spans(run: TracedRun, recorded_at: datetime, node: str) -> Iterator[ReadableSpan]:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    resource = Resource({"service.name": "smart-cron", "service.instance.id": node})
    digest = hashlib.sha256(run.run_id.encode()).digest()
    failed = run.status != "success"
    root: Any = None
    for number, stretch in enumerate(stretches(run, recorded_at=recorded_at)):
        context = SpanContext(
            trace_id=int.from_bytes(digest[:16]) or 1,
            span_id=int.from_bytes(hashlib.sha256(digest + bytes([number])).digest()[:8]) or 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
        yield ReadableSpan(
            name=stretch.name,
            context=context,
            parent=root,
            resource=resource,
            attributes=attributes(run) if root is None else {},
            status=Status(StatusCode.ERROR, run.error_type or run.status) if failed and root is None else Status(),
            start_time=_nanoseconds(stretch.begin),
            end_time=_nanoseconds(stretch.end),
        )
        root = root or context


def _nanoseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000) * 1000
