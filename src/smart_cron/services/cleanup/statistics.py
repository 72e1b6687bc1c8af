"""After many rows of a table went, the planner is told: from old figures it may take a full table for an empty one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smart_cron.core.ports.cleanup import StatisticsStore
from smart_cron.services.cleanup.cleaner import Tell
from smart_cron.services.cleanup.report import Done

# Less leaves the figures as right as they were.
MANY_ROWS = 1_000
Act = Callable[[Tell], Done]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Counts what goes from which table, and has the planner look at those of which much went.

    *store* is asked for when it is needed: it may be another account's.
    """

    store: Callable[[], StatisticsStore]
    tables: Mapping[str, str]
    _gone: Counter[str] = field(default_factory=Counter)

    def counted(self, name: str, act: Act) -> Act:
        """Return the work of the step of this name, with what it deletes counted."""

        def counting(tell: Tell) -> Done:
            done = act(tell)
            self._gone[self.tables[name]] += done.count
            return done

        return counting

    def refresh(self, tell: Tell) -> Done:
        """Have the planner look at the tables of which many rows went."""
        tables = sorted(table for table, rows in self._gone.items() if rows >= MANY_ROWS)
        count = self.store().refresh(tables) if tables else 0
        tell(count)
        return Done(count=count)
