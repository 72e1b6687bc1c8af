"""Who may log in, read from the tables as they stand: without models, which only what listens knows."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from smart_cron.core.backup import ACCOUNTS, USERS
from smart_cron.core.roll import HeldKey, Holder, Roll

if TYPE_CHECKING:
    from smart_cron.store.session import Session

_KEYS = "smart_cron_api_keys"
_WAYS = {"mfa_authenticator": "type, data", "smart_cron_identities": "identity_hash"}


def account_tables(session: Session) -> list[str]:
    """Return which tables of accounts are there, in the order of their references; none where users have none."""
    with session.connection.cursor() as cursor:
        there = set(session.connection.introspection.table_names(cursor))
    return [name for name in ACCOUNTS if name in there] if USERS in there else []


def has_accounts(session: Session) -> bool:
    """Whether anybody may log in, or might."""
    return bool(account_tables(session)) and session.row(f"SELECT 1 FROM {USERS} LIMIT 1") is not None


def roll_of(session: Session) -> Roll:
    """Return everybody and every key."""
    there = account_tables(session)
    if not there:
        return Roll()
    factors = _ways_in(session, there)
    rows = session.rows(
        "SELECT id, username, role, is_active, password, task_groups, needs_second_factor"
        f" FROM {USERS} ORDER BY username"
    )
    names = {row[0]: str(row[1]) for row in rows}
    users = {
        str(name): Holder(
            name=str(name),
            role=str(role),
            is_active=bool(is_active),
            password=_digest(password),
            factors=factors.get(number, ""),
            rights=_digest(groups, bool(needs)),
        )
        for number, name, role, is_active, password, groups, needs in rows
    }
    return Roll(users=users, keys=_keys(session, names) if _KEYS in there else {})


def _ways_in(session: Session, there: Sequence[str]) -> dict[int, str]:
    """Return digests of what opens beside the password."""
    found: dict[int, list[str]] = defaultdict(list)
    for table, columns in _WAYS.items():
        rows = session.rows(f"SELECT user_id, {columns} FROM {table} ORDER BY user_id, id") if table in there else []
        for user_id, *values in rows:
            found[user_id].append(_digest(*values))
    return {user_id: _digest(*each) for user_id, each in found.items()}


def _keys(session: Session, names: dict[int, str]) -> dict[str, HeldKey]:
    now, read = session.now(), session.dialect.read_instant
    rows = session.rows(f"SELECT user_id, label, prefix, key_hash, expires_at, revoked_at FROM {_KEYS} ORDER BY id")
    keys = {}
    for user_id, label, prefix, digest, expires_at, revoked_at in rows:
        ends_at = read(expires_at)
        keys[str(digest)] = HeldKey(
            shown=f"sc_{prefix}",
            label=str(label),
            user=names.get(user_id, "?"),
            digest=str(digest),
            is_good=revoked_at is None and (ends_at is None or ends_at > now),
        )
    return keys


def _digest(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()
