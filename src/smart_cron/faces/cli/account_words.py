"""What a restore says of those who may log in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from smart_cron.core.backup import ACCOUNTS
from smart_cron.faces.cli.text import counted, printable

if TYPE_CHECKING:
    from smart_cron.services.backup.restoring import Plan, Restored

_USERS, _KEYS = ACCOUNTS[:2]


def accounts_planned(plan: Plan) -> Iterator[str]:
    """Yield what would become of users and API keys; nothing where the backup holds none."""
    if plan.changes is not None:
        yield f"Users and API keys come from the backup, too ({_held(plan)}), and every session ends."
        yield from _listed(plan.changes)
    elif plan.contents.holds_accounts:
        yield f"Users and API keys stay as they are here; --with-accounts takes those of the backup ({_held(plan)})."


def accounts_done(done: Restored) -> Iterator[str]:
    """Yield what became of them."""
    if done.changes is not None:
        yield "Users and API keys are those of the backup, and nobody is logged in."
        yield from _listed(done.changes)


def accounts_document(plan: Plan, changes: Sequence[str] | None) -> dict[str, Any]:
    """Return the same for `--json`."""
    return {
        "held": plan.contents.holds_accounts,
        "restored": plan.takes_accounts,
        "changes": list(changes or ()),
    }


def _held(plan: Plan) -> str:
    rows = {name: plan.contents.tables[name].rows if name in plan.contents.tables else 0 for name in (_USERS, _KEYS)}
    return f"{counted(rows[_USERS], 'user')}, {counted(rows[_KEYS], 'key')}"


def _listed(changes: Sequence[str]) -> Iterator[str]:
    yield from (f"  {printable(sentence)}." for sentence in changes)
