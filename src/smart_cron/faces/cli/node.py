"""`smart-cron node`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from smart_cron.core.errors import UnknownNodeError
from smart_cron.core.node import NodeRecord, NodeState
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import dry_run_option, json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import counted, printable, span

if TYPE_CHECKING:
    from smart_cron.wiring import House

COMMANDS = {
    "list": ("node:list_nodes", "List the nodes that share this database."),
    "forget": ("node:forget", "Strike a node out that is gone for good."),
}
COLUMNS = (
    Column(title="Node", gives_way=True),
    Column(title="State"),
    Column(title="Heard of"),
    Column(title="Runs", right=True),
    Column(title="Places", right=True),
    Column(title="Tags"),
    Column(title="Host"),
    Column(title="Version"),
    Column(title="Identity"),
)
STYLES = {NodeState.ALIVE: "green", NodeState.SILENT: "bold red"}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def node() -> None:
    """Look at the nodes that share this database."""


@click.command("list")
@json_option
@pass_session
def list_nodes(session: Session, /, *, as_json: bool) -> None:
    """List the nodes that share this database.

    A node is alive while its master's heartbeats come, stopped after an orderly end, and silent otherwise: what a
    silent one runs is unreachable until it is back, and lost once it can no longer live.
    """
    with session.house() as house:
        documents, now = _documents(house)
    if as_json:
        print_json(documents)
        return
    rows = [_row(document, now) for document in documents]
    show_table(COLUMNS, rows, empty="No node has taken part yet; a master enters its node when it starts.")


def _documents(house: House) -> tuple[Sequence[Mapping[str, Any]], datetime]:
    """Return the nodes, and the time by which they were heard of."""
    if house.is_remote:
        from smart_cron.faces.cli.remote.answers import node_documents
        from smart_cron.faces.cli.remote.house import api_of

        return node_documents(api_of(house)), house.clock.now()
    now, silence = house.store.database.now(), timedelta(seconds=house.config.node_silence_seconds)
    return [_document(record, now, silence) for record in house.store.nodes.nodes()], now


def _row(document: Mapping[str, Any], now: datetime) -> Sequence[Cell | str]:
    state = NodeState(document["state"])
    return [
        document["name"],
        Cell(str(state), STYLES.get(state, "")),
        f"{span(max(0.0, (now - document['heard_at']).total_seconds()))} ago",
        str(document["held"]),
        str(document["max_concurrent"]),
        ", ".join(document["tags"]) or "–",
        document["host"],
        document["version"],
        document["identity"][:8],
    ]


def _document(record: NodeRecord, now: datetime, silence: timedelta) -> Mapping[str, Any]:
    return {
        "name": record.name,
        "state": record.state(now=now, silence=silence),
        "heard_at": record.heard_at,
        "started_at": record.started_at,
        "held": record.held,
        "max_concurrent": record.max_concurrent,
        "tags": list(record.tags),
        "host": record.host,
        "version": record.version,
        "master_pid": record.master_pid,
        "identity": record.identity,
        "heartbeats": record.heartbeats,
    }


@click.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@pass_session
def forget(session: Session, /, *, name: str, yes: bool, dry_run: bool) -> None:
    """Strike a node out that is gone for good.

    Runs that it still holds are recorded as lost, and retried where their task says so. Should it come back after all,
    it takes part again, and what it knows of those runs replaces the losses. Refused while runs of it live on this
    machine.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("There is no terminal to ask at: give --yes, or --dry-run to look only.")
    from smart_cron.wiring.forgetting import forgettable

    with session.house() as house:
        if house.is_remote:
            _forget_from_afar(house, name, yes=yes, dry_run=dry_run)
            return
        record = forgettable(house, name)
        text = f"node '{name}' and settle {counted(record.held, 'run')} of it as lost"
        if dry_run:
            click.echo(f"Would forget {text}.")
            return
        if not yes:
            click.confirm(f"Forget {text}?", abort=True)
        lost = house.forget_node(name, actor=session.actor)
    click.echo(f"Node '{name}' is forgotten; {counted(lost, 'run')} {'was' if lost == 1 else 'were'} recorded as lost.")


def _forget_from_afar(house: House, name: str, *, yes: bool, dry_run: bool) -> None:
    from smart_cron.faces.cli.remote.answers import node_documents
    from smart_cron.faces.cli.remote.house import api_of

    api = api_of(house)
    found = next((row for row in node_documents(api) if row["name"] == name), None)
    if found is None:
        raise UnknownNodeError(name)
    text = f"node '{name}' and settle {counted(found['held'], 'run')} of it as lost"
    if dry_run:
        click.echo(f"Would forget {text}.")
        return
    if not yes:
        click.confirm(f"Forget {text}?", abort=True)
    click.echo(printable(api.post(f"/nodes/{quote(name, safe='')}/forget")["message"]))
