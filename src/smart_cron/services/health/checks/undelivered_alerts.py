"""Do messages about alerts reach anybody."""

from __future__ import annotations

from datetime import timedelta

from smart_cron.core.alert_words import told
from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.ports.health import Backlog, HealthFacts
from smart_cron.services.health.checks.words import count, span

NAME = "undelivered_alerts"
LOOKED_BACK = timedelta(hours=24)
WORDS = 300


def look(facts: HealthFacts, *, patience: timedelta) -> Finding:
    """Ask for messages that wait for longer than that, and for those given up in the last 24 hours."""
    return judge(facts.undelivered(waiting_for=patience, failed_within=LOOKED_BACK))


def judge(backlog: Backlog) -> Finding:
    """Return what is to be said of these messages."""
    facts = []
    if backlog.pending:
        verb = "waits" if backlog.pending == 1 else "wait"
        waited = span(backlog.oldest.total_seconds())
        facts.append(f"{count(backlog.pending, 'message')} {verb} to be sent, the oldest for {waited}")
    if backlog.failed:
        facts.append(f"{count(backlog.failed, 'message')} of the last 24 hours could not be delivered")
    if facts and backlog.refusal:
        facts.append(f"the last refusal: {told(backlog.refusal, WORDS)}")
    number = float(backlog.pending + backlog.failed)
    return Finding(
        check=NAME,
        status=CheckStatus.WARNING if facts else CheckStatus.OK,
        message=f"{'; '.join(facts).rstrip('.')}." if facts else "every message was delivered.",
        remedy="Try the channel and read its answer: smart-cron alert test CHANNEL" if facts else "",
        measured=number,
        threshold=1.0,
        unit="messages",
    )
