"""Whom to ask why a slot ran or did not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from smart_cron.core.node import NodeRecord, NodeState
from smart_cron.core.why_around import Circumstances
from smart_cron.core.why_words import Wording
from smart_cron.services.why import Inquiry

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.store.gateway import Store


def inquiry_at(store: Store, config: Config, *, now: datetime, place: ZoneInfo) -> Inquiry:
    """Return an inquiry that knows how starts stand now, and tells times in *place*."""
    around = Circumstances(holds=store.holds.holds(), nodes=living_nodes(store, config))
    return Inquiry(store.ledger, Wording(place=place, now=now, around=around))


def living_nodes(store: Store, config: Config) -> list[NodeRecord]:
    """Return the nodes that are neither silent nor forgotten: without one of them nothing starts."""
    now, silence = store.database.now(), timedelta(seconds=config.node_silence_seconds)
    gone = (NodeState.SILENT, NodeState.FORGOTTEN)
    return [node for node in store.nodes.nodes() if node.state(now=now, silence=silence) not in gone]
