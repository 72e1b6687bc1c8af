"""What `smart-cron doctor` looks at: probes, each a small function, whose findings are values.

A probe looks and changes nothing: it starts no task runner, repairs no table and leaves no file. Looking and judging
are apart where there is something to judge, so that every sentence can be had from a value. A new probe is a function
in a file here and a line in `PROBES`. Probes look side by side, each in a thread of its own with a deadline: a disk or
a server that hangs is a finding. What may be mended without judgement is a `Fix` on its finding, see `fixing`.
"""

from __future__ import annotations

from smart_cron.services.diagnosis.examination import PROBES, diagnose, is_sound, remedies, within
from smart_cron.services.diagnosis.facts import DatabaseFacts, LastFailure, Receiver, Starters
from smart_cron.services.diagnosis.finding import Case, Finding, Fix, FixKind, Probe, Surroundings, Verdict, wrong

__all__ = [
    "PROBES",
    "Case",
    "DatabaseFacts",
    "Finding",
    "Fix",
    "FixKind",
    "LastFailure",
    "Probe",
    "Receiver",
    "Starters",
    "Surroundings",
    "Verdict",
    "diagnose",
    "is_sound",
    "remedies",
    "within",
    "wrong",
]
