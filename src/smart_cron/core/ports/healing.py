"""What a person may have healed by hand."""

from __future__ import annotations

from typing import Protocol


class HealingStore(Protocol):
    """Mends what the engine mends by itself, with an audit row for `actor`."""

    def heal_projections(self, *, actor: str) -> int:
        """Make `is_running` say what the executions say; return how many tasks were wrong."""
