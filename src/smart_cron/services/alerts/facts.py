"""What is known of the run that an alert is about: its end, its last words, and what changed since it last worked."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from smart_cron.core.errors import SmartCronError, UnknownRunError
from smart_cron.core.message import RunFacts
from smart_cron.core.ports import HistoryStore, LedgerStore, TaskStore
from smart_cron.core.run import Status
from smart_cron.services.patience import Attempt

LINES = 20
# A task that failed more often than this since it worked: nobody asks any more what changed.
LOOKED_BACK = 200
# A script may lie on a mount that hangs.
PATIENCE_SECONDS = 2.0
# What may hold a password or a key.
_UNTOLD_COLUMNS = frozenset(
    {"environment", "alert_slack_webhook", "ping_url", "stdin_text", "shell_command", "task_arguments"}
)


class FactFinder:
    """Gathers the facts of a run, for the threads that write letters."""

    def __init__(
        self,
        *,
        history: HistoryStore,
        ledger: LedgerStore,
        tasks: TaskStore,
        node: str,
        written: Callable[[str], float] = os.path.getmtime,
    ) -> None:
        self._history, self._ledger, self._tasks, self._node = history, ledger, tasks, node
        self._written = written
        self._asked: Attempt[float] | None = None

    def facts(self, execution_id: int) -> RunFacts | None:
        """Return what is known of this run, or None where its row is gone."""
        try:
            row = self._history.run(str(execution_id))
        except UnknownRunError:
            return None
        worked = self._last_success(row)
        return RunFacts(
            task_name=row["task_name"],
            execution_id=row["id"],
            run_id=row["run_id"],
            status=row["status"],
            scheduled_for=row["scheduled_for"],
            started_at=row["started_at"],
            completed_at=row["completed_at"],
            attempt=row["attempt"],
            exit_code=row["exit_code"],
            duration=row["execution_time"],
            node=row["node"],
            error_message=row["error_message"],
            description=self._description(row["task_id"]),
            last_lines=last_lines(row),
            last_success_at=worked,
            changes=tuple(self._changes(row, worked)),
        )

    def last_words(self, execution_id: int, *, limit: int) -> str:
        """Return the end of what a run printed, at most so many characters."""
        with suppress(UnknownRunError):
            return "\n".join(last_lines(self._history.run(str(execution_id)), count=200))[-limit:]
        return ""

    def _last_success(self, row: Mapping[str, Any]) -> datetime | None:
        earlier = self._history.runs(task_id=row["task_id"], before_id=row["id"], limit=LOOKED_BACK)
        found = next((each for each in earlier if each["status"] == Status.SUCCESS), None)
        return found["completed_at"] if found else None

    def _description(self, task_id: int) -> str:
        with suppress(SmartCronError):
            return self._tasks.get(task_id).definition.description
        return ""

    def _changes(self, row: Mapping[str, Any], worked_at: datetime | None) -> Iterator[str]:
        if worked_at is None:
            return
        for change in self._ledger.changes(row["task_id"]):
            names = sorted(change.new.keys() - {"consecutive_failures"})
            if change.at > worked_at and names:
                shown = _shown(change.old, change.new, names)
                yield f"{change.at:%Y-%m-%d %H:%M:%S} UTC: {change.actor} changed {shown}"
        yield from self._script_change(row, worked_at)

    def _script_change(self, row: Mapping[str, Any], worked_at: datetime) -> Iterator[str]:
        if row["node"] != self._node:
            return  # Its script is another machine's file.
        with suppress(SmartCronError, OSError, ValueError):
            script = self._tasks.get(int(row["task_id"])).definition.script
            changed_at = self._written_at(script) if script else None
            if changed_at is not None and changed_at > worked_at:
                yield f"{changed_at:%Y-%m-%d %H:%M:%S} UTC: the file {script} was written"

    def _written_at(self, script: str) -> datetime | None:
        """Return when a file was written, or None where nobody can tell in time; nobody asks while one still hangs."""
        if self._asked is not None and not self._asked.is_over:
            return None
        self._asked = asked = Attempt(lambda: self._written(script), name="script-age")
        asked.wait(time.monotonic() + PATIENCE_SECONDS)
        return None if asked.result is None else datetime.fromtimestamp(asked.result, UTC)


def last_lines(row: Mapping[str, Any], *, count: int = LINES) -> tuple[str, ...]:
    """Return the last lines of a run's standard output, then those of its standard error: what it complained of."""
    out, err = (_tail(row[name], count) for name in ("stdout_output", "stderr_output"))
    room = max(0, count - len(err))
    return (*out[len(out) - min(room, len(out)) :], *err)


def _tail(text: str | None, count: int) -> list[str]:
    # Not `splitlines`: a progress bar that goes back by `\r` is one line, of which its last state is shown.
    return [line for line in (text or "").split("\n") if line.strip()][-count:]


def _shown(old: Mapping[str, object], new: Mapping[str, object], names: list[str]) -> str:
    """Name what changed, from what to what; what may hold a secret is only named."""
    parts = [
        name if name in _UNTOLD_COLUMNS else f"{name} from {_short(old.get(name))} to {_short(new.get(name))}"
        for name in names
    ]
    return ", ".join(parts)


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
