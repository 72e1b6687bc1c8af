"""What `smart-cron doctor` looks at: probes, each a small function, whose findings are values.

A probe looks and changes nothing: it starts no task runner, repairs no table and leaves no file. Looking and judging
are apart where there is something to judge, so that every sentence can be had from a value. A new probe is a function
in a file here and a line in `PROBES`.
"""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.services.diagnosis.containment import probe_containment, probe_run_as, probe_sandbox
from smart_cron.services.diagnosis.finding import Finding, Probe, Surroundings, Verdict, wrong
from smart_cron.services.diagnosis.parties import probe_database, probe_node, probe_task_runner
from smart_cron.services.diagnosis.places import probe_exposure, probe_folders

__all__ = ["PROBES", "Finding", "Probe", "Surroundings", "Verdict", "diagnose", "is_sound"]

PROBES: Sequence[Probe] = (
    probe_node,
    probe_folders,
    probe_exposure,
    probe_task_runner,
    probe_database,
    probe_containment,
    probe_sandbox,
    probe_run_as,
)


def diagnose(surroundings: Surroundings, *, probes: Sequence[Probe] = PROBES) -> list[Finding]:
    """Return what all probes found, in their order; one that fails is a finding itself and hides no other."""
    return [finding for probe in probes for finding in _findings_of(probe, surroundings)]


def is_sound(findings: Sequence[Finding]) -> bool:
    """Say whether nothing is wrong."""
    return all(finding.verdict is not Verdict.WRONG for finding in findings)


def _findings_of(probe: Probe, surroundings: Surroundings) -> list[Finding]:
    try:
        return probe(surroundings)
    except Exception as error:  # noqa: BLE001 - on a broken machine anything may fail, and the rest is still wanted
        subject = probe.__name__.removeprefix("probe_").replace("_", " ")
        return [
            wrong(
                subject,
                f"this could not be looked into: {type(error).__name__}: {error}.",
                "Run it again as the owner of the state directory, or as root.",
            )
        ]
