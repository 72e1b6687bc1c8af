"""What health checks found, as a person may see it.

Their sentences name tasks, addresses and folders of the whole system. Who is let near some groups only sees which
checks found something and how grave it is, and no word of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smart_cron.core.health import CheckStatus, Finding, LatestHealth
from smart_cron.core.people import Person

GRAVEST_FIRST = (CheckStatus.CRITICAL, CheckStatus.UNKNOWN, CheckStatus.WARNING, CheckStatus.OK)


def findings_of(health: LatestHealth, person: Person) -> Sequence[Finding]:
    """Return every finding, the gravest first, then by name."""
    ordered = sorted(health.findings, key=lambda each: (GRAVEST_FIRST.index(each.status), each.check, each.node or ""))
    return ordered if person.groups is None else [_without_words(each) for each in ordered]


def issues_of(health: LatestHealth, person: Person) -> Sequence[Finding]:
    """Return what somebody should look at."""
    return [each for each in findings_of(health, person) if each.is_issue]


def _without_words(finding: Finding) -> Finding:
    return replace(finding, message="", remedy="", details={})
