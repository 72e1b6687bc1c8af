"""What stands between a slot that is due and its start now: holds, and whether a node lives that may run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from smart_cron.core.node import Hold, NodeRecord

At = Callable[[datetime], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """How starts stand now. `nodes` are those that take part; None where nobody asked."""

    holds: Sequence[Hold] = ()
    nodes: Sequence[NodeRecord] | None = None

    def hold(self, at: At) -> str | None:
        """Return what holds every start back, as the rest of a sentence, or None. *at* words an instant."""
        if not self.holds:
            return None
        first = self.holds[0]
        since = f" since {at(first.since)}" if first.since else ""
        reason = first.reason.removesuffix(".")
        return f"starts are held on every node{since} ({first.kind}, by {first.actor}): {reason}"

    def nobody(self, tag: str | None) -> str | None:
        """Return why no node can run what is bound to this tag, or to none, or None where one can."""
        if self.nodes is None or self._able(tag):
            return None
        if not self.nodes:
            return "no master works, on no node"
        names = ", ".join(f"'{node.name}'" for node in self.nodes)
        return f"it is bound to nodes with the tag '{tag}', and no node that takes part has it ({names})"

    def somebody(self, tag: str | None) -> str | None:
        """Return which nodes may run it and how many places they have, as a sentence; None where there is none."""
        able = self._able(tag)
        if not able:
            return None
        named = ", ".join(f"'{node.name}' ({node.max_concurrent} places)" for node in able)
        return f"It is bound to the tag '{tag}', which has: {named}" if tag else f"It may run on: {named}"

    def obstacle(self, tag: str | None, at: At) -> str | None:
        """Return what keeps a waiting run from its start, or None where it is but the line."""
        return self.hold(at) or self.nobody(tag)

    def _able(self, tag: str | None) -> list[NodeRecord]:
        return [node for node in self.nodes or () if tag is None or tag in node.tags]
