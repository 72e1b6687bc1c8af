"""A dashboard with something of everything in it, what may be seen of it from outside, and its tables."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.web.addresses import Everything, everything_in
from tests.web.conftest import Dashboard, housed, served
from tests.web.furniture import bind, furnish, opened
from tests.web.printing import printed
from tests.web.visitors import Visitor, add_users

CANARY = "canary-7f3a"
# What is written although nothing is changed, and why that is right.
NOT_CHANGES = {
    "smart_cron_rate_limits": "counts who asked how often; that is what it is for",
    "django_session": "when a session was last used, so that it ends when it is left alone",
    "sqlite_sequence": "numbers given to the rows of those",
}
# Columns that say when something was last heard of.
LAST_HEARD = {
    "smart_cron_ping_checks": ("listened_at", "back_at"),
    "smart_cron_api_keys": ("last_used_at",),
}


@dataclass
class Ground:
    """`values` are those of things in the group `office`, by the names that addresses have for them."""

    dashboard: Dashboard
    everything: Everything
    values: Mapping[str, str]

    def visitor(self, name: str) -> Visitor:
        visitor = Visitor(self.dashboard)
        assert visitor.log_in(name).status == 302
        return visitor

    def tables(self, *besides: str) -> dict[str, list[tuple[object, ...]]]:
        """Return every row, but of what is no change and of these tables."""
        return tables_of(self.dashboard, *besides)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of a question to the database."""
        with contextlib.closing(_database(self.dashboard)) as rows:
            return rows.execute(sql).fetchall()

    def audited(self, action: str) -> list[dict[str, object]]:
        """Return the rows of the audit log with this action, the newest first."""
        rows = json.loads(self.dashboard.house.sure("audit", "list", "--limit", "1000", "--json"))
        return [row for row in rows if row["action"] == action]


@contextlib.contextmanager
def furnished_ground(folder: Path, **settings: str) -> Iterator[Ground]:
    """Serve it: four roles, `clerk` who is an admin near the group `shop` alone, tasks, a run, alerts, a backup."""
    with housed(folder, **settings) as house:
        dashboard = served(house)
        add_users(dashboard)
        bind(dashboard, "clerk", ["shop"], role="admin")
        with opened(dashboard) as store:
            alerts = furnish(store)
        run = printed(dashboard, "printer", f"{CANARY}\n".encode(), "--group", "office", "--description", CANARY)
        house.sure("backup", "create", "--label", CANARY)
        page = Visitor(dashboard)
        page.log_in("admin")
        backup = re.search(rb"/backups/([0-9a-f]{16})/", page.get("/backups").body)
        assert backup
        with contextlib.closing(_database(dashboard)) as rows:
            user = rows.execute("SELECT id FROM smart_cron_users WHERE username = 'viewer'").fetchone()[0]
        values = {
            "key": "printer", "name": "printer", "run": str(run), "number": str(alerts["invoices"]),
            "pk": str(user), "backup_id": backup[1].decode(), "revision": "1", "token": "x" * 43,
        }  # fmt: skip
        yield Ground(dashboard, everything_in(house), values)


def tables_of(dashboard: Dashboard, *besides: str) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of a dashboard's database, but of what is no change and of these tables."""
    with contextlib.closing(_database(dashboard)) as rows:
        names = [name for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: rows.execute(f"SELECT {_columns(rows, name)} FROM {name}").fetchall()
            for name in names
            if name not in NOT_CHANGES and name not in besides
        }


def _columns(rows: sqlite3.Connection, table: str) -> str:
    passed_over = LAST_HEARD.get(table, ())
    return ", ".join(f'"{row[1]}"' for row in rows.execute(f"PRAGMA table_info({table})") if row[1] not in passed_over)


def _database(dashboard: Dashboard) -> sqlite3.Connection:
    return sqlite3.connect(dashboard.house.home / "state" / "smart-cron.db", timeout=60)
