"""The move itself, step by step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from smart_cron.config import masked_url
from smart_cron.core.errors import SmartCronError
from smart_cron.core.move import (
    ChecksumError,
    InvalidRowsError,
    Invalids,
    InvalidValue,
    MoveRefusedError,
    OnInvalid,
    TableMoved,
    Tell,
)
from smart_cron.home import make_file_of
from smart_cron.moving.safety import Situation, hold_starts, note_end, require_quiet
from smart_cron.store.gateway import open_store
from smart_cron.store.moving import arrival, counters
from smart_cron.store.moving.accounts import Accounts, refuse_known
from smart_cron.store.moving.copying import TableCopy
from smart_cron.store.moving.shape import Table

if TYPE_CHECKING:
    from smart_cron.store.session import Session
    from smart_cron.wiring import House

# How often what somebody changed meanwhile is copied anew.
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What was moved, or would be: `tables` one by one, `left_behind` columns of the old database that are not ours."""

    tables: Sequence[TableMoved]
    invalid: Sequence[InvalidValue]
    invalid_count: int
    situation: Situation
    left_behind: Sequence[str]
    missing: Sequence[str] = ()
    was_done: bool = False

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


class Move:
    """A move of the house's database to *url*."""

    def __init__(self, house: House, url: str, *, actor: str, on_invalid: OnInvalid, tell: Tell) -> None:
        self._house, self._url, self._actor = house, url, actor
        self._on_invalid, self._tell = on_invalid, tell
        self._invalids = Invalids()
        self._accounts = Accounts(house.store.session)

    def look(self) -> Moved:
        """Read the old database and say what would be moved; change nothing. Raises as `run` does."""
        self._refuse_itself()
        situation = self._require_quiet()
        target = self._open()
        if target is not None:
            arrival.refuse_occupied(target)
            refuse_known(target)
        into = target or self._house.store.session
        copies = [self._copy(table, into) for table in arrival.moved_tables()]
        tables = [copy.look() for copy in copies] + self._accounts.look()
        for copy in copies:
            self._note(copy)
        return self._moved(tables, situation)

    def run(self) -> Moved:
        """Move everything. Raise SmartCronError where it may not begin, or cannot end; called again it goes on."""
        self._refuse_itself()
        with self._house.hold_node() as is_ours:
            if not is_ours:
                raise MoveRefusedError(
                    "a master works with this database on this node.", remedy="Stop it: running tasks go on."
                )
            return self._run()

    def _run(self) -> Moved:
        require_quiet(self._house)
        shown = masked_url(self._url)
        target = self._open_made()
        token = hold_starts(self._house, shown_url=shown, actor=self._actor)
        # Once more: a master may have begun before the hold stood, and none can since.
        situation = require_quiet(self._house)
        if arrival.is_complete(target, token):
            note_end(self._house, shown_url=shown, token=token)
            return self._moved([], situation, was_done=True)
        arrival.prepare(target, token, actor=self._actor)
        self._accounts.prepare(target)
        tables = self._copy_all(target)
        require_quiet(self._house)
        missing, accounts = self._complete(target, token, tables)
        tables += accounts
        note_end(self._house, shown_url=shown, token=token)
        return self._moved(tables, situation, missing=missing)

    def _copy_all(self, target: Session) -> list[TableMoved]:
        copies = [self._copy(table, target) for table in arrival.moved_tables()]
        tables: list[TableMoved] = []
        for copy in copies:
            try:
                tables.append(copy.run())
            except InvalidRowsError:
                continue  # Of all tables at once, in a moment.
            finally:
                self._note(copy)
        if self._on_invalid is OnInvalid.REFUSE and self._invalids.count:
            raise InvalidRowsError(self._invalids)
        return self._settled(copies, tables)

    def _settled(self, copies: Sequence[TableCopy], tables: list[TableMoved]) -> list[TableMoved]:
        """Copy anew what somebody's SQL or a ping has changed since it was read."""
        changed: list[int] = []
        for _ in range(ROUNDS):
            changed = [at for at, copy in enumerate(copies) if copy.changed_since(tables[at])]
            if not changed:
                return tables
            for at in changed:
                tables[at] = copies[at].again()
        moved = tables[changed[0]]
        raise ChecksumError(moved.table, here=moved.rows, there=moved.rows)

    def _complete(
        self, target: Session, token: str, tables: Sequence[TableMoved]
    ) -> tuple[list[str], list[TableMoved]]:
        source = self._house.store.session
        for table in (*arrival.moved_tables(), arrival.holds_table()):
            counters.count_on_from(target, table, counters.last_given(source, table))
        told: dict[str, object] = {
            "from": masked_url(self._house.config.database_url),
            "to": masked_url(self._url),
            "rows": sum(table.rows for table in tables),
            "invalid": self._invalids.count,
        }
        return arrival.complete(target, source, token, accounts=self._accounts, actor=self._actor, told=told)

    def _copy(self, table: Table, target: Session) -> TableCopy:
        return TableCopy(table, self._house.store.session, target, on_invalid=self._on_invalid, tell=self._tell)

    def _note(self, copy: TableCopy) -> None:
        self._invalids.add(copy.invalids.told)
        self._invalids.count += copy.invalids.count - len(copy.invalids.told)

    def _require_quiet(self) -> Situation:
        if self._house.master_is_running():
            raise MoveRefusedError(
                "a master works with this database on this node.", remedy="Stop it: running tasks go on."
            )
        return require_quiet(self._house)

    def _open(self) -> Session | None:
        """Open the new database to look at it; None where it is a file that is still to be made."""
        parts = urlsplit(self._url)
        if parts.scheme == "sqlite" and not os.path.exists(unquote(parts.path)):
            return None
        return self._opened()

    def _open_made(self) -> Session:
        make_file_of(self._url)
        return self._opened()

    def _opened(self) -> Session:
        return open_store(self._url, alias="move", timeout_seconds=self._house.config.database.timeout_seconds).session

    def _refuse_itself(self) -> None:
        if is_same_place(self._url, self._house.config.database_url):
            raise SmartCronError("the new database is the one that is in use.", remedy="Name another one.")

    def _moved(
        self,
        tables: Sequence[TableMoved],
        situation: Situation,
        *,
        missing: Sequence[str] = (),
        was_done: bool = False,
    ) -> Moved:
        return Moved(
            tables=tables,
            invalid=self._invalids.told,
            invalid_count=self._invalids.count,
            situation=situation,
            left_behind=arrival.left_behind(self._house.store.session),
            missing=missing,
            was_done=was_done,
        )


def is_same_place(one: str, other: str) -> bool:
    """Whether two URLs name the same database, as far as they tell; a move also finds its own marks."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[object, ...]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return ("sqlite", os.path.realpath(unquote(parts.path)))
    scheme = {"mariadb": "mysql", "postgres": "postgresql"}.get(parts.scheme, parts.scheme)
    port = parts.port or {"mysql": 3306}.get(scheme, 5432)
    return (scheme, (parts.hostname or "localhost").lower(), port, parts.query, parts.path.strip("/"))
