"""Definitions as they were saved, and what SQL changed without telling: the port `RevisionStore`.

Every change of ours saves the row as it stands at the end of its transaction. Whatever differs from the last revision
later was changed by SQL: planning compares the rows that it finds changed anyway, `notice` all the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from smart_cron.core.audit import BY_SQL, BY_UPGRADE, Actor, as_actor
from smart_cron.core.errors import UnknownRevisionError
from smart_cron.core.revision import Noticed, Revision, Values, differing
from smart_cron.core.task import TaskDefinition
from smart_cron.store import alerts_by_sql, others_by_sql
from smart_cron.store.audit import Audit, changes
from smart_cron.store.bulk import placeholders, storable
from smart_cron.store.definitions import COLUMNS, read_definition
from smart_cron.store.session import Session

# Tasks a statement: each has a row of some forty columns.
CHUNK = 500
TABLE = "smart_cron_task_revisions"
_SELECT = f"SELECT task_id, task_name, revision, definition, saved_at, actor, source FROM {TABLE}"
_INSERT = f"""INSERT INTO {TABLE} (task_id, task_name, revision, definition, actor, source)
    VALUES (%s, %s, %s, %s, %s, %s)"""
# Tasks that are gone, and of which nobody said so.
_GONE = f"""SELECT r.task_id FROM {TABLE} r LEFT JOIN smart_cron_tasks_config t ON t.id = r.task_id
    WHERE r.revision = 1 AND t.id IS NULL AND NOT EXISTS (
        SELECT 1 FROM smart_cron_audit_log a
         WHERE a.entity_type = 'task' AND a.entity_id = r.task_id AND a.action = 'delete')
    ORDER BY r.task_id LIMIT {CHUNK}"""


class Revisions:
    """Saves definitions, reads them, and finds out what nobody told."""

    def __init__(self, session: Session, audit: Audit) -> None:
        self._session, self._audit = session, audit
        # Of each task what its row was like when it was compared last: what is unchanged since costs one look.
        self._seen: dict[int, int] = {}

    # Saved by our own changes -----------------------------------------------------------------------------------

    def keep(self, task_id: int, *, actor: str) -> None:
        """Save the definition as it stands at the end of this transaction."""
        self._session.defer(self._keep, (task_id, as_actor(actor)))

    def _keep(self, kept: Sequence[tuple[int, Actor]]) -> None:
        actors = dict(kept)
        for ids in _chunks(sorted(actors)):
            rows, last = self._rows(ids), self._last(ids)
            # Saved again is not changed.
            new = [task_id for task_id, values in rows.items() if _is_news(last.get(task_id), values)]
            self._insert((task_id, rows[task_id], last.get(task_id), actors[task_id]) for task_id in new)

    def _insert(self, saved: Iterable[tuple[int, Values, Revision | None, Actor]]) -> None:
        rows = [
            (
                task_id,
                values["task_name"],
                before.number + 1 if before else 1,
                storable(json.dumps(values, ensure_ascii=False)),
                str(actor)[:100],
                str(actor.source),
            )
            for task_id, values, before, actor in saved
        ]
        if rows:
            self._session.execute_each(_INSERT, rows)

    def _rows(self, ids: Sequence[int]) -> dict[int, Values]:
        rows = self._session.wide_rows(
            ("id", *COLUMNS), f"FROM smart_cron_tasks_config WHERE id IN ({placeholders(ids)}) ORDER BY id", ids
        )
        return {row[0]: dict(zip(COLUMNS, map(_plain, row[1:]), strict=True)) for row in rows}

    def _last(self, ids: Sequence[int]) -> dict[int, Revision]:
        rows = self._session.rows(
            f"""{_SELECT} WHERE task_id IN ({placeholders(ids)}) AND revision = (
                SELECT MAX(x.revision) FROM {TABLE} x WHERE x.task_id = {TABLE}.task_id)""",
            ids,
        )
        return {row[0]: self._revision(row) for row in rows}

    # Changed by SQL ---------------------------------------------------------------------------------------------

    def notice_among(self, ids: Sequence[int]) -> Noticed:
        """Enter what SQL changed of these tasks, whose rows the caller has locked."""
        noticed = Noticed()
        for some in _chunks(ids):
            noticed = _together(noticed, self._notice(some))
        return noticed

    def _notice(self, ids: Sequence[int]) -> Noticed:
        rows, last = self._rows(ids), self._last(ids)
        changed = [number for number in rows if number in last and _is_news(last[number], rows[number])]
        unknown = [number for number in rows if number not in last]
        old = self._older_than_revisions(unknown)
        added = [number for number in unknown if number not in old]
        self._insert((number, rows[number], last.get(number), BY_SQL) for number in sorted([*changed, *added]))
        self._insert((number, rows[number], None, BY_UPGRADE) for number in sorted(old))
        for number in changed:
            before, after = changes(last[number].values, _shared(last[number].values, rows[number]))
            self._audit.note("update", actor=BY_SQL, entity=_entity(number, rows[number]), old=before, new=after)
        for number in added:
            self._audit.note("create", actor=BY_SQL, entity=_entity(number, rows[number]), new=rows[number])
        return Noticed(
            added=tuple(_name(rows[number]) for number in added),
            changed=tuple(_name(rows[number]) for number in changed),
            entered=len(old),
        )

    def _older_than_revisions(self, ids: Sequence[int]) -> set[int]:
        """Return those that were there before there were revisions, or that the log knows to have been added."""
        if not ids:
            return set()
        rows = self._session.rows(
            f"""SELECT t.id FROM smart_cron_tasks_config t WHERE t.id IN ({placeholders(ids)}) AND (
                t.created_at <= (SELECT MAX(m.applied) FROM django_migrations m
                                  WHERE m.app = 'smart_cron' AND m.name = '0002_public_interface')
                OR EXISTS (SELECT 1 FROM smart_cron_audit_log a
                            WHERE a.entity_type = 'task' AND a.entity_id = t.id AND a.action = 'create'))""",
            ids,
        )
        return {row[0] for row in rows}

    def notice_slot(self, task_id: int, name: str, *, planned: datetime, slot: datetime) -> None:
        """Enter that SQL set the next slot of a task, whose row the caller has locked, unless we did."""
        instant = self._session.dialect.instant
        self._session.defer(self._notice_slots, (task_id, name, instant(planned), instant(slot)))

    def _notice_slots(self, slots: Sequence[tuple[int, str, str, str]]) -> None:
        # A task may be locked twice in one transaction.
        for task_id, name, planned, slot in dict.fromkeys(slots):
            new = {"next_run_at": slot}
            last = self._session.row(
                """SELECT new_values FROM smart_cron_audit_log WHERE entity_type = 'task' AND entity_id = %s
                 AND new_values LIKE %s ORDER BY id DESC LIMIT 1""",
                [task_id, '{"next_run_at": %'],
            )
            if last is None or last[0] != json.dumps(new):
                self._audit.note(
                    "update", actor=BY_SQL, entity=("task", task_id, name), old={"next_run_at": planned}, new=new
                )

    def notice(self) -> Noticed:
        """Enter what SQL changed, added or deleted since it was last looked: a revision and an audit row each.

        Nothing is locked but the rows that differ.
        """
        noticed = Noticed()
        for page in self._pages():
            doubted = [number for number, seen in page if self._seen.get(number) != seen]
            found = self._differing(doubted) if doubted else []
            if found:
                noticed = _together(noticed, self._session.again(partial(self._lock_and_notice, found)))
            # What differed is looked at once more: it may have been locked by another.
            self._seen.update((number, seen) for number, seen in page if number not in found)
        return _together(noticed, self._notice_gone())

    def _pages(self) -> Iterator[list[tuple[int, int]]]:
        """Yield (number, what the row is like) of all tasks, some hundred at a time."""
        last, columns = 0, self._session.dialect.wide_select(COLUMNS)
        while True:
            rows = self._session.rows(
                f"SELECT id, {columns} FROM smart_cron_tasks_config WHERE id > %s ORDER BY id LIMIT {CHUNK}", [last]
            )
            yield [(row[0], hash(row[1:])) for row in rows]
            if len(rows) < CHUNK:
                return
            last = rows[-1][0]

    def _differing(self, ids: Sequence[int]) -> list[int]:
        rows, last = self._rows(ids), self._last(ids)
        return [number for number, values in rows.items() if _is_news(last.get(number), values)]

    def _lock_and_notice(self, ids: Sequence[int]) -> Noticed:
        """Compared anew under the lock: a change of ours may have been on its way, or another node was faster."""
        locked = self._session.rows(
            f"""SELECT id FROM smart_cron_tasks_config WHERE id IN ({placeholders(ids)})
             ORDER BY id{self._session.dialect.lock_skipping}""",
            ids,
        )
        return self._notice([row[0] for row in locked]) if locked else Noticed()

    def _notice_gone(self) -> Noticed:
        if not self._session.row(_GONE):
            return Noticed()
        return self._session.again(self._lock_and_notice_gone)

    def _lock_and_notice_gone(self) -> Noticed:
        # There is no row left to lock: nodes that look at the same time take turns at the end of the log.
        self._audit.take_turn()
        ids = [row[0] for row in self._session.rows(_GONE)]
        last = self._last(ids) if ids else {}
        for number, revision in last.items():
            entity = ("task", number, revision.task_name)
            self._audit.note("delete", actor=BY_SQL, entity=entity, old=revision.values)
            self._seen.pop(number, None)
        return Noticed(deleted=tuple(revision.task_name for revision in last.values()))

    def notice_alerts(self) -> int:
        """Enter which alerts were acknowledged or resolved by SQL; return how many."""
        return alerts_by_sql.notice(self._session, self._audit)

    def notice_others(self) -> int:
        """Enter which holds and pings were added, changed or deleted by SQL; return how many."""
        return others_by_sql.notice(self._session, self._audit)

    # Read -------------------------------------------------------------------------------------------------------

    def revisions(self, task_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[Revision]:
        """Return a task's revisions, newest first; page on with `before`, a revision's number."""
        earlier, params = ("", []) if before is None else (" AND revision < %s", [before])
        rows = self._session.rows(
            f"{_SELECT} WHERE task_id = %s{earlier} ORDER BY revision DESC LIMIT %s", [task_id, *params, limit]
        )
        return [self._revision(row) for row in rows]

    def revision(self, task_id: int, number: int) -> Revision:
        """Raise UnknownRevisionError where there is none."""
        row = self._session.row(f"{_SELECT} WHERE task_id = %s AND revision = %s", [task_id, min(number, 2**31 - 1)])
        if row is None:
            named = self._session.row("SELECT task_name FROM smart_cron_tasks_config WHERE id = %s", [task_id])
            raise UnknownRevisionError(str(named[0] if named else task_id), number)
        return self._revision(row)

    def definition(self, task_id: int, number: int) -> tuple[TaskDefinition, str | None]:
        """Return what the revision says, and what of it cannot be used. Raise UnknownRevisionError."""
        saved = self.revision(task_id, number).values
        # What it does not know, since columns were added later, stays as it is.
        values = {**self._rows([task_id]).get(task_id, {}), **saved}
        return read_definition([values.get(name) for name in COLUMNS])

    def _revision(self, row: Sequence[Any]) -> Revision:
        return Revision(
            task_id=row[0],
            task_name=row[1],
            number=row[2],
            values=_read(row[3]),
            saved_at=self._session.dialect.read_instant(row[4]),
            actor=row[5],
            source=row[6],
        )


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _is_news(before: Revision | None, values: Values) -> bool:
    return before is None or bool(differing(before.values, values))


def _shared(old: Values, new: Values) -> Values:
    return {name: new[name] for name in new if name in old}


def _plain(value: object) -> object:
    """Return what JSON can hold and what equals itself; SQLite keeps whatever it is given."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _entity(number: int, values: Values) -> tuple[str, int, str]:
    return "task", number, _name(values)


def _name(values: Values) -> str:
    return str(values["task_name"])


def _read(text: str) -> Mapping[str, object]:
    """Return a definition; one that somebody made unreadable by SQL has no columns, and is news to be saved again."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _together(first: Noticed, second: Noticed) -> Noticed:
    return Noticed(
        added=(*first.added, *second.added),
        changed=(*first.changed, *second.changed),
        deleted=(*first.deleted, *second.deleted),
        entered=first.entered + second.entered,
    )
