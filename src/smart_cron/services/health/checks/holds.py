"""Does anything hold all starts back."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.health import CheckStatus, Finding
from smart_cron.core.node import Hold, HoldKind
from smart_cron.core.ports import HoldStore
from smart_cron.services.health.checks.words import none_of

NAME = "holds"
_REMEDIES = {
    HoldKind.STOPPED: "Let starts go on: smart-cron stop-all --resume",
    HoldKind.RESTORED: "Settle the time since the backup: smart-cron recover",
}


def look(holds: HoldStore) -> Finding:
    """Ask what stands."""
    return judge(holds.holds())


def judge(holds: Sequence[Hold]) -> Finding:
    """Return what is to be said of these holds: whoever made them, nothing at all is started meanwhile."""
    if not holds:
        return none_of("holds", NAME, "nothing holds starts back.")
    oldest = holds[0]
    since = f" since {oldest.since:%Y-%m-%d %H:%M:%S} UTC" if oldest.since else ""
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"no task is started on any node{since}: starts are held ({oldest.kind}, by {oldest.actor}): "
        f"{oldest.reason.rstrip('.')}.",
        remedy=_REMEDIES.get(HoldKind(oldest.kind), "") if oldest.kind in list(HoldKind) else "smart-cron recover",
        measured=float(len(holds)),
        threshold=1.0,
        unit="holds",
    )
