"""All probes side by side, and the remedies of what they found, the most urgent first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from smart_cron.services.diagnosis.containment import probe_containment, probe_run_as, probe_sandbox
from smart_cron.services.diagnosis.failures import probe_failures
from smart_cron.services.diagnosis.finding import Case, Finding, Probe, Surroundings, Verdict, note, wrong
from smart_cron.services.diagnosis.parties import probe_database, probe_node, probe_task_runner
from smart_cron.services.diagnosis.places import probe_exposure, probe_folders
from smart_cron.services.diagnosis.sockets import probe_sockets
from smart_cron.services.diagnosis.starting import probe_master
from smart_cron.services.diagnosis.stuck import probe_runs, probe_stuck
from smart_cron.services.diagnosis.telling import probe_environment, probe_log, probe_messages, probe_receivers
from smart_cron.services.diagnosis.usage import probe_usage
from smart_cron.services.diagnosis.waiting import probe_tasks

_T = TypeVar("_T")
# From the machine to the tasks: what comes earlier may be the cause of what comes later.
PROBES: Sequence[Probe] = (
    probe_node,
    probe_environment,
    probe_folders,
    probe_exposure,
    probe_usage,
    probe_database,
    probe_master,
    probe_task_runner,
    probe_sockets,
    probe_runs,
    probe_tasks,
    probe_stuck,
    probe_failures,
    probe_receivers,
    probe_messages,
    probe_log,
    probe_containment,
    probe_sandbox,
    probe_run_as,
)
# For all of them together. A task runner that does not answer is given up after 5 s, a database after 4.
DEADLINE_SECONDS = 8.0
_URGENCY = {case: place for place, case in enumerate(Case)}
# These wait for what the database tells; that it hangs is told by its own probe.
_DEFERRING = frozenset({"master", "tasks", "stuck", "failures", "messages"})
_CASES = {"database": Case.DATABASE, "folders": Case.DISK}


def diagnose(
    surroundings: Surroundings, *, probes: Sequence[Probe] = PROBES, deadline_seconds: float = DEADLINE_SECONDS
) -> list[Finding]:
    """Return what all probes found, in their order; one that fails or hangs is a finding itself and hides no other."""
    looks = [_Look(probe, surroundings) for probe in probes]
    ends_at = time.monotonic() + deadline_seconds
    return [finding for look in looks for finding in look.findings(ends_at, deadline_seconds)]


def within(deadline_seconds: float, work: Callable[[], _T]) -> _T | None:
    """Return what *work* returns, None where it hangs; what it raises is raised."""
    done: Future[_T] = Future()

    def fulfil() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            done.set_exception(error)

    threading.Thread(target=fulfil, name="within", daemon=True).start()
    try:
        return done.result(deadline_seconds)
    except FutureTimeoutError:
        return None


def is_sound(findings: Sequence[Finding]) -> bool:
    """Say whether nothing is wrong."""
    return all(finding.verdict is not Verdict.WRONG for finding in findings)


def remedies(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that say what to do, each remedy once: what is wrong before what is noted, by urgency."""
    ordered = sorted((finding for finding in findings if finding.remedy), key=_urgency)
    once = {finding.remedy: finding for finding in reversed(ordered)}
    return [finding for finding in ordered if once[finding.remedy] is finding]


def _urgency(finding: Finding) -> tuple[bool, int]:
    place = len(_URGENCY) if finding.case is None else _URGENCY[finding.case]
    return finding.verdict is not Verdict.WRONG, place


class _Look:
    """A probe at work in a thread that nobody waits for longer than the deadline."""

    def __init__(self, probe: Probe, surroundings: Surroundings) -> None:
        self._probe, self._found = probe, list[Finding]()
        self._subject = probe.__name__.removeprefix("probe_").replace("_", " ")
        self._thread = threading.Thread(target=self._look, args=(surroundings,), name=probe.__name__, daemon=True)
        self._thread.start()

    def findings(self, ends_at: float, deadline_seconds: float) -> list[Finding]:
        self._thread.join(max(0.0, ends_at - time.monotonic()))
        if not self._thread.is_alive():
            return self._found
        sentence = f"this could not be looked into within {deadline_seconds:g} s: something there hangs."
        if self._subject in _DEFERRING:
            return [note(self._subject, sentence)]
        remedy = "Look which disk, mount or server does not answer: ps -eo pid,stat,wchan,cmd"
        return [wrong(self._subject, sentence, remedy, case=_CASES.get(self._subject))]

    def _look(self, surroundings: Surroundings) -> None:
        try:
            self._found = self._probe(surroundings)
        except Exception as error:  # noqa: BLE001 - on a broken machine anything may fail, and the rest is still wanted
            self._found = [
                wrong(
                    self._subject,
                    f"this could not be looked into: {type(error).__name__}: {error}.",
                    "Run it again as the owner of the state directory, or as root.",
                )
            ]
