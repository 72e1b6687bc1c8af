"""`smart-cron audit`: who changed what, and whether the log of it is as it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from smart_cron.core.audit import AuditEntry, AuditFilter
from smart_cron.core.audit_words import Change, changes_of, report_sentences, values_of
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.errors import FAILED
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.ledger import read_interval
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.run_rows import limit_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import printable

COMMANDS = {
    "list": ("audit:list_entries", "List changes, newest first: who, from where, what, before and after."),
    "verify": ("audit:verify", "Hold every row of the audit log against its seal."),
}
COLUMNS = (
    Column(title="Row", right=True),
    Column(title="When"),
    Column(title="Who"),
    Column(title="From"),
    Column(title="What"),
    Column(title="Of"),
    Column(title="Change", gives_way=True),
)


@click.group(cls=LazyGroup, lazy=COMMANDS)
def audit() -> None:
    """See who changed what, and whether the audit log is as it was written."""


@click.command("list")
@click.option("--since", metavar="TIME", help="Changes from this time on [default: the beginning].")
@click.option("--until", metavar="TIME", help="Changes before this time [default: no end].")
@click.option("--user", metavar="NAME", help="Only changes by this login, account or node.")
@click.option("--task", metavar="NAME", help="Only changes of this task and its runs; a deleted task by its name.")
@click.option("--action", metavar="WORD", help="Only this kind of change, such as create, update or delete.")
@click.option("--before", type=int, metavar="ROW", help="Only rows older than this number.")
@limit_option
@json_option
@pass_session
def list_entries(
    session: Session,
    /,
    *,
    since: str | None,
    until: str | None,
    user: str | None,
    task: str | None,
    action: str | None,
    before: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List changes, newest first: who, from where, what, before and after.

    Secrets are hidden: that they changed is told, not what they are. Page on with --before and the last number shown.
    TIME is 2026-11-23, '2026-11-23 02:30', or now, -2h, -7d; without a zone it is in the configured one.
    """
    from smart_cron.core.zones import zone
    from smart_cron.services.audit import number_of

    with session.house() as house:
        place = zone(house.config.time_zone)
        interval = read_interval(since, until, now=house.clock.now(), place=place)
        wanted = AuditFilter(
            since=interval.since,
            until=interval.until,
            user=user,
            action=action,
            task=task,
            task_id=number_of(house.store.tasks, task) if task else None,
        )
        entries = house.store.audit.entries(wanted, before_id=before, limit=limit)
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    rows = [_row(entry, _when(entry, place)) for entry in entries]
    show_table(COLUMNS, rows, empty="The audit log has no such row.")


def _when(entry: AuditEntry, place: Any) -> str:
    return "–" if entry.created_at is None else f"{entry.created_at.astimezone(place):%Y-%m-%d %H:%M:%S}"


def _row(entry: AuditEntry, when: str) -> Sequence[Cell | str]:
    what = entry.entity_name or ("" if entry.entity_id is None else str(entry.entity_id))
    return [
        str(entry.id),
        when,
        entry.actor,
        " ".join(filter(None, (entry.source or "–", entry.ip_address))),
        entry.action,
        f"{entry.entity_type} {what}".rstrip(),
        "; ".join(map(_told_change, changes_of(entry))),
    ]


def _told_change(change: Change) -> str:
    if not change.is_now:
        return f"{change.name} was {_short(change.before)}"
    return f"{change.name}: {f'{_short(change.before)} -> ' if change.was else ''}{_short(change.after)}"


def _short(value: Any) -> str:
    return printable("none" if value is None else value, limit=60)


def _document(entry: AuditEntry) -> Mapping[str, Any]:
    return {
        "id": entry.id,
        "created_at": entry.created_at,
        "actor": entry.actor,
        "user_id": entry.user_id,
        "source": entry.source,
        "ip_address": entry.ip_address,
        "action": entry.action,
        "entity_type": entry.entity_type,
        "entity_id": entry.entity_id,
        "entity_name": entry.entity_name,
        "old_values": values_of(entry.old_values) if entry.old_values is not None else None,
        "new_values": values_of(entry.new_values) if entry.new_values is not None else None,
        "row_hash": entry.row_hash,
    }


@click.command()
@json_option
@pass_session
def verify(session: Session, /, *, as_json: bool) -> None:
    """Hold every row of the audit log against its seal.

    Each row is sealed together with the one before it; this node remembers the last that it saw. The exit code is 1
    where a row was changed, is missing, was written by somebody else, or where the end was cut off.
    """
    from smart_cron.services.audit import remembered

    with session.house() as house:
        heads = remembered(house.config.state_dir)
        report, head = house.store.audit.verify(heads), house.store.audit.head()
    if as_json:
        print_json(
            {
                "whole": report.is_whole,
                "sealed": report.sealed,
                "unsealed_before": report.unsealed_before,
                "first_sealed_id": report.first_sealed_id,
                "head": None if head is None else {"id": head.last_id, "row_hash": head.row_hash},
                "bad_rows": report.bad_rows,
                "bad": [{"id": bad.id, "fault": bad.fault, "reason": bad.sentence} for bad in report.bad],
            }
        )
    else:
        for line in report_sentences(report, head.row_hash if head else None):
            click.echo(line)
    if not report.is_whole:
        raise click.exceptions.Exit(FAILED)
