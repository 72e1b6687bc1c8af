"""Who takes part: the port `NodeStore`. All times are the database's own clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from smart_cron.core.errors import NodeNameTakenError, RestoredDatabaseError, UnknownNodeError
from smart_cron.core.node import NodeIdentity, NodeRecord, NodeState
from smart_cron.store.audit import Audit
from smart_cron.store.bulk import placeholders
from smart_cron.store.queues import HELD_RANK
from smart_cron.store.releases import Releases
from smart_cron.store.rollups import forget_lost
from smart_cron.store.session import Session

_COLUMNS = (
    "node_name, identity, boot_id, host, version, master_pid, max_concurrent, tags, heartbeats, heartbeat_at,"
    " started_at, stopped_at, forgotten_at"
)


class Nodes:
    """Registers nodes, takes their heartbeats, and says who is silent."""

    def __init__(self, session: Session, releases: Releases, audit: Audit) -> None:
        self._session, self._releases, self._audit = session, releases, audit
        self._instant, self._read = session.dialect.instant, session.dialect.read_instant

    def register(self, node: NodeIdentity, *, beaten: int, silence: timedelta) -> int:
        """Enter the node, or find it again; return the number of its heartbeats.

        *beaten* is the number that its state directory remembers. Raise NodeNameTakenError where another state
        directory has this name and lives or holds runs, RestoredDatabaseError where the database remembers less.
        """
        self._session.follow_by_hand()
        return self._session.again(lambda: self._register(node, beaten, silence))

    def _register(self, node: NodeIdentity, beaten: int, silence: timedelta) -> int:
        found = self._find(node.name)
        if found is not None and found.identity != node.identity:
            self._require_gone(found, node, silence)
        elif beaten > (found.heartbeats if found else 0) and (found or self._has_history()):
            raise RestoredDatabaseError(node.name, known=found.heartbeats if found else 0, remembered=beaten)
        now = self._instant(self._session.now())
        values = [
            node.identity,
            node.boot_id,
            node.host[:255],
            node.version,
            node.master_pid,
            node.max_concurrent,
            ",".join(node.tags),
            now,
            now,
        ]
        if found is None:
            self._session.execute(
                """INSERT INTO smart_cron_nodes
                    (identity, boot_id, host, version, master_pid, max_concurrent, tags, started_at, heartbeat_at,
                     heartbeats, node_name)
                 VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                [*values, beaten + 1, node.name],
            )
            return beaten + 1
        number = max(found.heartbeats, beaten) + 1
        self._session.execute(
            """UPDATE smart_cron_nodes SET identity = %s, boot_id = %s, host = %s, version = %s, master_pid = %s,
                max_concurrent = %s, tags = %s, started_at = %s, heartbeat_at = %s, heartbeats = %s,
                stopped_at = NULL, forgotten_at = NULL
             WHERE node_name = %s""",
            [*values, number, node.name],
        )
        return number

    def _require_gone(self, found: NodeRecord, node: NodeIdentity, silence: timedelta) -> None:
        state = found.state(now=self._session.now(), silence=silence)
        is_gone = state is NodeState.FORGOTTEN or (state is not NodeState.ALIVE and not self._held_on(found.name))
        if not is_gone:
            raise NodeNameTakenError(node.name, theirs=found.identity, their_host=found.host, ours=node.identity)

    def _find(self, name: str) -> NodeRecord | None:
        rows = self._session.rows(
            f"SELECT {_COLUMNS} FROM smart_cron_nodes WHERE node_name = %s{self._session.dialect.lock}", [name]
        )
        return self._record(rows[0], held=0) if rows else None

    def _has_history(self) -> bool:
        return self._session.row("SELECT id FROM smart_cron_executions LIMIT 1") is not None

    def beat(self, node: NodeIdentity, *, beaten: int, silence: timedelta) -> int:
        """Say that the node lives; return the new number of its heartbeats. Raises as `register` does."""
        self._session.follow_by_hand()
        self._session.follow_file()
        now = self._session.dialect.now_expression
        changed = self._session.execute(
            f"""UPDATE smart_cron_nodes SET heartbeat_at = {now}, heartbeats = heartbeats + 1, stopped_at = NULL
             WHERE node_name = %s AND identity = %s AND heartbeats >= %s AND forgotten_at IS NULL""",
            [node.name, node.identity, beaten],
        )
        # Struck out, replaced, or a database that knows less: then it is as at the start.
        return beaten + 1 if changed else self.register(node, beaten=beaten, silence=silence)

    def retire(self, node: NodeIdentity) -> None:
        """Say that the node ends in order: it is absent from now on, not silent."""
        self._session.execute(
            f"""UPDATE smart_cron_nodes SET stopped_at = {self._session.dialect.now_expression}, master_pid = NULL
             WHERE node_name = %s AND identity = %s""",
            [node.name, node.identity],
        )

    def nodes(self) -> Sequence[NodeRecord]:
        """Return every node that was ever here, by name, with the number of runs that it holds."""
        held = self._held_by_node()
        rows = self._session.rows(f"SELECT {_COLUMNS} FROM smart_cron_nodes ORDER BY node_name")
        return [self._record(row, held=held.get(row[0], 0)) for row in rows]

    def _held_by_node(self) -> dict[str, int]:
        queue = self._session.dialect.force_index("smart_cron_executions_queue")
        return dict(
            self._session.rows(
                f"""SELECT node, COUNT(*) FROM smart_cron_executions{queue}
                 WHERE queue_rank = {HELD_RANK} GROUP BY node"""
            )
        )

    def _held_on(self, name: str) -> int:
        return self._held_by_node().get(name, 0)

    def mark_unreachable(self, names: Sequence[str]) -> int:
        """Show what these silent nodes hold as unreachable; return how many runs changed."""
        return self._move(names, "status = 'unreachable'", "status IN ('claimed', 'running')")

    def mark_reachable(self, name: str) -> int:
        """Show what this node holds as what it is again; return how many runs changed."""
        status = "CASE WHEN started_at IS NULL THEN 'claimed' ELSE 'running' END"
        return self._move([name], f"status = {status}", "status = 'unreachable'")

    def _move(self, names: Sequence[str], sets: str, where: str) -> int:
        if not names:
            return 0
        queue = self._session.dialect.force_index("smart_cron_executions_queue")
        ids = [
            row[0]
            for row in self._session.rows(
                f"""SELECT id FROM smart_cron_executions{queue}
                 WHERE queue_rank = {HELD_RANK} AND node IN ({placeholders(names)}) AND {where}""",
                list(names),
            )
        ]
        if not ids:
            return 0
        return self._session.execute(
            f"UPDATE smart_cron_executions SET {sets} WHERE id IN ({placeholders(ids)}) AND {where}", ids
        )

    def note_settled_by(self, execution_ids: Sequence[int], by: str) -> None:
        """Note who settled these as lost in place of their own node."""
        self._session.execute(
            f"UPDATE smart_cron_executions SET settled_by = %s WHERE id IN ({placeholders(execution_ids)})",
            [by[:100], *execution_ids],
        )

    def reopen_lost(self, keys: Sequence[tuple[int, str]]) -> set[str]:
        """Open again those (execution id, run id) that others settled as lost; totals forget what was guessed."""
        run_ids = dict(keys)
        rows = self._session.rows(
            f"""SELECT id, run_id, task_id, scheduled_for, attempt FROM smart_cron_executions
             WHERE id IN ({placeholders(list(run_ids))}) AND status = 'lost' AND settled_by IS NOT NULL ORDER BY id""",
            list(run_ids),
        )
        ours = [row for row in rows if run_ids[row[0]] == row[1]]
        self._releases.lock_tasks(row[2] for row in ours)
        return {row[1] for row in ours if self._reopen(*row)}

    def _reopen(self, execution_id: int, run_id: str, task_id: int, slot: object, attempt: int) -> bool:
        opened = self._session.execute(
            """UPDATE smart_cron_executions SET status = 'unreachable', late = 1, settled_by = NULL
             WHERE id = %s AND run_id = %s AND status = 'lost'""",
            [execution_id, run_id],
        )
        if not opened:
            return False
        forget_lost(self._session, execution_id)
        # Where the loss was retried, its slot had not failed yet.
        retried = self._session.row(
            "SELECT id FROM smart_cron_executions WHERE task_id = %s AND scheduled_for = %s AND attempt = %s",
            [task_id, slot, attempt + 1],
        )
        self._session.execute(
            f"""UPDATE smart_cron_tasks_config
             SET total_executions = total_executions - 1, total_failures = total_failures - 1,
                consecutive_failures = CASE WHEN consecutive_failures > 0
                    THEN consecutive_failures - {0 if retried else 1} ELSE 0 END
             WHERE id = %s AND total_executions > 0 AND total_failures > 0""",
            [task_id],
        )
        return True

    def forget(self, name: str, *, actor: str) -> None:
        """Strike a node out. Its runs must be settled first; when it comes back it introduces itself anew."""
        self._session.again(lambda: self._forget(name, actor))

    def _forget(self, name: str, actor: str) -> None:
        row = self._session.row("SELECT id FROM smart_cron_nodes WHERE node_name = %s", [name])
        if row is None:
            raise UnknownNodeError(name)
        self._session.execute(
            f"UPDATE smart_cron_nodes SET forgotten_at = {self._session.dialect.now_expression} WHERE id = %s", [row[0]]
        )
        self._audit.note("forget", actor=actor, entity=("node", row[0], name))

    def _record(self, row: Sequence[object], *, held: int) -> NodeRecord:
        instants = [self._read(value) for value in row[9:13]]
        started_at = instants[1]
        assert started_at is not None
        return NodeRecord(
            name=str(row[0]),
            identity=str(row[1]),
            boot_id=str(row[2]),
            host=str(row[3]),
            version=str(row[4]),
            master_pid=None if row[5] is None else int(str(row[5])),
            max_concurrent=int(str(row[6])),
            tags=tuple(tag for tag in str(row[7]).split(",") if tag),
            heartbeats=int(str(row[8])),
            heartbeat_at=instants[0],
            started_at=started_at,
            stopped_at=instants[2],
            forgotten_at=instants[3],
            held=held,
        )
