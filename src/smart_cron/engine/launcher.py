"""The task runner behind the port: claims go out as orders, its events come back as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from smart_cron.core.errors import TaskRunnerError
from smart_cron.core.ports import Clock, Log
from smart_cron.core.run import Claim, EndCause, HeldRun, RunEnd
from smart_cron.engine.orders import OrderBook
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.client import RunnerClient, RunnerUnavailable
from smart_cron.taskrunner.stopping import end_by_force

Start = tuple[str, int, datetime]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Refusals that prove that the run will never start; the others are settled by the run file.
FINAL_REFUSALS = {
    "deadline": EndCause.NEVER_STARTED,
    "incarnation": EndCause.NEVER_STARTED,
    "space": EndCause.START_FAILED,
    "invalid": EndCause.START_FAILED,
}


class RunnerLauncher:
    """Speaks to this node's task runner and starts it when none answers."""

    def __init__(self, *, client: RunnerClient, state_dir: Path, orders: OrderBook, clock: Clock, log: Log) -> None:
        self._client, self._orders, self._clock, self._log = client, orders, clock, log
        self._runs_dir = str(state_dir / "runs")
        # Runs going on of which it was said that a limit is not kept.
        self._warned: set[str] = set()

    def ensure(self) -> None:
        """Have a task runner that answers. Raise TaskRunnerError, saying why, where none can be had."""
        with _errors_in_words():
            self._client.ensure()

    def launch(self, claims: Sequence[Claim]) -> None:
        with _errors_in_words():
            self._client.launch([self._orders.order(claim) for claim in claims])

    def cancel(self, run_id: str) -> None:
        with _errors_in_words():
            self._client.cancel(run_id)

    def poll(self, *, timeout: float) -> tuple[list[Start], list[RunEnd]]:
        starts: list[Start] = []
        ends: list[RunEnd] = []
        for event in self._events(timeout):
            self._sort(event, starts, ends)
        return starts, ends

    def _events(self, timeout: float) -> list[dict[str, Any]]:
        with _errors_in_words():
            return self._client.poll(timeout)

    def _sort(self, event: Mapping[str, Any], starts: list[Start], ends: list[RunEnd]) -> None:
        kind = event.get("event")
        if kind == "finished":
            self._warn_of_unkept(event)
            self._warned.discard(event["run_id"])
            ends.append(run_end(event))
        elif kind == "started":
            starts.append((event["run_id"], event["execution_id"], instant(event["started_at"])))
            self._warn_of_unkept(event)
        elif kind == "refused" and event["code"] in FINAL_REFUSALS:
            ends.append(self._refusal(event))

    def _warn_of_unkept(self, event: Mapping[str, Any]) -> None:
        """Say it once: at the start, or at the end of a run that was over before anything was told."""
        sentences = event.get("unkept_limits") or ()
        if not sentences or event["run_id"] in self._warned:
            return
        self._warned.add(event["run_id"])
        for sentence in sentences:
            self._log.warning("Limit cannot be kept on this machine", run_id=event["run_id"], limit=sentence)

    def _refusal(self, event: Mapping[str, Any]) -> RunEnd:
        return RunEnd(
            run_id=event["run_id"],
            execution_id=event["execution_id"],
            cause=FINAL_REFUSALS[event["code"]],
            reason=event["reason"],
            completed_at=self._clock.now(),
        )

    def running(self) -> set[str]:
        """Return the run ids that the task runner has in hand."""
        with _errors_in_words():
            return set(self._client.running())

    def is_alive(self, run_id: str) -> bool:
        file = runfile.read(self._runs_dir, run_id)
        return file is not None and file.locked

    def has_begun(self, run_id: str) -> bool:
        file = runfile.read(self._runs_dir, run_id)
        return file is not None and file.started is not None

    def end_by_force(self, run_id: str) -> None:
        file = runfile.read(self._runs_dir, run_id)
        if file is not None and file.locked and file.started is not None:
            end_by_force(file)

    def read_end(self, run_id: str) -> RunEnd | None:
        file = runfile.read(self._runs_dir, run_id)
        return run_end(file.finished) if file is not None and file.finished else None

    def settle_absent(self, run: HeldRun) -> RunEnd | None:
        finished = runfile.settle(self._runs_dir, run.run_id, run.execution_id, claimed_in=run.incarnation)
        return None if finished is None else run_end(finished)

    def ended(self) -> Iterator[RunEnd]:
        for run_id in list(runfile.list_runs(self._runs_dir)):
            with suppress(OSError):  # One that cannot be read hides no other.
                end = self.read_end(run_id) or self._end_of_abandoned(run_id)
                if end is not None:
                    yield end

    def abandoned(self) -> Iterator[RunEnd]:
        for run_id in list(runfile.list_runs(self._runs_dir)):
            with suppress(OSError):
                end = self._end_of_abandoned(run_id)
                if end is not None:
                    yield end

    def _end_of_abandoned(self, run_id: str) -> RunEnd | None:
        """Its row may be final by others' word, so that no sweep asks about it."""
        file = runfile.read(self._runs_dir, run_id)
        if file is None or file.locked or file.started is None or file.finished is not None:
            return None
        finished = runfile.settle(self._runs_dir, run_id, file.started["execution_id"])
        return None if finished is None else run_end(finished)

    def discard(self, run_ids: Sequence[str]) -> None:
        with _errors_in_words():
            self._client.release(list(run_ids))

    def close(self) -> None:
        """Hang up; the task runner and its runs go on."""
        self._client.close()


def run_end(record: Mapping[str, Any]) -> RunEnd:
    """Return a `finished` record as a value."""
    started_at = record.get("started_at")
    return RunEnd(
        run_id=record["run_id"],
        execution_id=record["execution_id"],
        cause=EndCause(record["cause"]),
        reason=record.get("reason") or "",
        started_at=None if started_at is None else instant(started_at),
        completed_at=instant(record["completed_at"]),
        duration=record.get("duration") or 0.0,
        exit_code=record.get("exit_code"),
        term_signal=record.get("term_signal"),
        memory_peak_bytes=record.get("memory_peak_bytes"),
        cpu_seconds=record.get("cpu_seconds"),
        stdout_bytes=record.get("stdout_bytes") or 0,
        stderr_bytes=record.get("stderr_bytes") or 0,
        output_sha256=record.get("output_sha256"),
        output_truncated=bool(record.get("output_truncated")),
        output_path=record.get("output_path"),
        leftovers=tuple(record.get("leftovers") or ()),
        unkillable=tuple(record.get("unkillable") or ()),
        unkept_limits=tuple(record.get("unkept_limits") or ()),
    )


def instant(microseconds: int) -> datetime:
    """Return epoch microseconds as an aware instant, exactly."""
    return EPOCH + timedelta(microseconds=microseconds)


@contextmanager
def _errors_in_words() -> Iterator[None]:
    try:
        yield
    except RunnerUnavailable as error:
        raise TaskRunnerError(
            f"the task runner of this node cannot be reached: {error}.", remedy="'smart-cron doctor' looks into it."
        ) from error
