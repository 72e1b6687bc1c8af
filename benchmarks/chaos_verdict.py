"""The verdict on a chaos run: what the ledger says, held against what the tasks wrote about themselves. Pure.

A ledger entry is one line of `smart-cron ledger --jsonl`, read. A task's own record is what `programs/worker.c` writes.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Entry = Mapping[str, Any]
# Task and slot (ISO 8601 as in the ledger).
Slot = tuple[str, str]

ACTIVE = frozenset(("waiting", "delayed", "queued", "blocked", "claimed", "running", "unreachable"))
# Somebody saw the end of a process: then there was one.
SEEN_TO_END = frozenset(("success", "failed", "timeout"))
# No process was ever made.
NEVER_STARTED = frozenset(("missed", "skipped", "coalesced", "held", "start_failed"))
RETRIED = frozenset(("failed", "timeout", "oom", "start_failed"))


@dataclass(slots=True)
class OwnRun:
    """What the processes of one run id wrote. `lines` is what it printed, None where it did not come to its end."""

    task: str
    starts: int = 0
    parents: list[int] = field(default_factory=list)
    met_another: bool = False
    asked_to_end: bool = False
    lines: int | None = None
    code: int | None = None


def read_own(task: str, text: str) -> dict[str, OwnRun]:
    """Return a task's runs by run id from its record. A line that was torn by a kill is left out."""
    runs: dict[str, OwnRun] = {}
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) > 1:
            _note(runs.setdefault(words[1], OwnRun(task)), words)
    return runs


def _note(run: OwnRun, words: Sequence[str]) -> None:
    match words:
        case ["S", _, _, _, _, parent]:
            run.starts += 1
            run.parents.append(int(parent))
        case ["O", _]:
            run.met_another = True
        case ["X", _]:
            run.asked_to_end = True
        case ["E", _, lines, code]:
            run.lines, run.code = int(lines), int(code)


def printed(run_id: str, lines: int) -> bytes:
    """Return what a worker prints."""
    return "".join(f"{run_id} {number}\n" for number in range(lines)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the chaos run knows besides ledger and records.

    `owed` are the slots that must have an outcome, `possible` those that may have one too (the chaos run's own request
    was cut off); None means that any slot may. `killed` are the pids of the supervisors that it killed, and of those
    who inherit an orphan: what is seen of a parent by its child may come after the kill.
    """

    owed: Collection[Slot]
    possible: Collection[Slot] | None = None
    retry_lost: Collection[str] = ()
    # Runs that others took for lost, and retried where the policy says so, before their own node knew better.
    corrected: Collection[str] = ()
    killed: Collection[int] = ()
    left_running: Sequence[str] = ()
    wrong_projections: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Counts, and for each kind of fault a sentence for each case. Clean means that there is none."""

    slots: int
    runs: int
    statuses: Mapping[str, int]
    faults: Mapping[str, Sequence[str]]

    @property
    def is_clean(self) -> bool:
        return not any(self.faults.values())


def judge(ledger: Iterable[Entry], own: Mapping[str, OwnRun], around: Circumstances) -> Verdict:
    """Hold them against each other."""
    entries = list(ledger)
    runs = {entry["run_id"]: entry for entry in entries if entry["run_id"]}
    firsts = Counter(_slot(entry) for entry in entries if entry["scheduled_for"] and (entry["attempt"] or 1) == 1)
    return Verdict(
        slots=len(firsts),
        runs=len(own),
        statuses=Counter(entry["status"] for entry in entries),
        faults={
            "missing": [f"{task} at {slot}" for task, slot in sorted(set(around.owed) - set(firsts))],
            "doubled": [*_two_outcomes(firsts), *_two_starts(own), *_unlawful_retries(entries, around)],
            "overlapping": [_named(run, one) for run, one in own.items() if one.met_another],
            "phantom": [_said(entry) for entry in entries if _is_phantom(entry, own)],
            "unrecorded": [_named(run, one) for run, one in own.items() if one.starts and _is_unrecorded(run, runs)],
            "unasked": _unasked(firsts, around),
            "contradicted": [_said(runs[run]) for run, one in own.items() if run in runs and _differs(runs[run], one)],
            "lost without a cause": _causeless(entries, own, around.killed),
            "lost output": [_said(runs[run]) for run, one in own.items() if run in runs and _is_cut(runs[run], one)],
            "stuck": [_said(entry) for entry in entries if entry["status"] in ACTIVE],
            "left running": list(around.left_running),
            "wrong is_running": list(around.wrong_projections),
        },
    )


def _slot(entry: Entry) -> Slot:
    return entry["task"], entry["scheduled_for"]


def _said(entry: Entry) -> str:
    words = (entry["task"], entry["scheduled_for"], f"attempt {entry['attempt']}", entry["status"], entry["run_id"])
    return f"{' '.join(map(str, words))}: {entry['reason'] or 'no reason'}"


def _named(run_id: str, run: OwnRun) -> str:
    return f"{run.task} {run_id}"


def _two_outcomes(firsts: Mapping[Slot, int]) -> list[str]:
    return [f"{task} at {slot} has {count} outcomes" for (task, slot), count in firsts.items() if count > 1]


def _two_starts(own: Mapping[str, OwnRun]) -> list[str]:
    return [f"{_named(run, one)} started {one.starts} times" for run, one in own.items() if one.starts > 1]


def _unlawful_retries(entries: Iterable[Entry], around: Circumstances) -> list[str]:
    attempts: dict[tuple[Any, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["attempt"] and entry["scheduled_for"]:
            attempts[(*_slot(entry), entry["attempt"])].append(entry)
    found = [f"{_said(same[1])}: a second row of that attempt" for same in attempts.values() if len(same) > 1]
    for key, (entry, *_) in attempts.items():
        before = attempts.get((*key[:2], key[2] - 1))
        if key[2] > 1 and not (before and _may_be_retried(before[0], around)):
            found.append(f"{_said(entry)}: nothing before it may be tried again")
    return found


def _may_be_retried(entry: Entry, around: Circumstances) -> bool:
    was_lost = entry["status"] == "lost" or entry["run_id"] in around.corrected
    return entry["status"] in RETRIED or (was_lost and entry["task"] in around.retry_lost)


def _is_phantom(entry: Entry, own: Mapping[str, OwnRun]) -> bool:
    if entry["status"] not in SEEN_TO_END:
        return False
    run = own.get(entry["run_id"])
    return run is None or not run.starts or (entry["status"] == "success" and run.code is None)


def _is_unrecorded(run_id: str, runs: Mapping[str, Entry]) -> bool:
    return run_id not in runs or runs[run_id]["status"] in NEVER_STARTED


def _unasked(firsts: Mapping[Slot, int], around: Circumstances) -> list[str]:
    if around.possible is None:
        return []
    known = set(around.owed) | set(around.possible)
    return [f"{task} at {slot}" for task, slot in firsts if (task, slot) not in known]


def _differs(entry: Entry, run: OwnRun) -> bool:
    """What the task returned itself must stand in the ledger, whoever saw it."""
    # A run may be told to end, or reach its timeout, in the moment of its end: that is its status then.
    return run.code is not None and entry["status"] in ("success", "failed") and entry["exit_code"] != run.code


def _causeless(entries: Iterable[Entry], own: Mapping[str, OwnRun], killed: Collection[int]) -> list[str]:
    """Only the kill of its own supervisor may lose a run. Of one that wrote nothing, the supervisor is not known."""
    found = []
    for entry in entries:
        run = own.get(entry["run_id"]) if entry["status"] == "lost" else None
        if run is not None and run.starts and not set(run.parents) & set(killed):
            found.append(_said(entry))
    return found


def _is_cut(entry: Entry, run: OwnRun) -> bool:
    if run.lines is None or entry["status"] not in ("success", "failed") or entry["output_truncated"]:
        return False
    data = printed(entry["run_id"], run.lines)
    return bool(entry["output_bytes"] != len(data) or entry["output_sha256"] != hashlib.sha256(data).hexdigest())
