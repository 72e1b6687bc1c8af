"""`smart-cron db grants`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.config import Config


@click.command()
@json_option
@pass_session
def grants(session: Session, /, *, as_json: bool) -> None:
    """Print what gives the database's accounts no more than they need.

    One account runs, the other makes tables; their names are those of [database] url and migrate_url where these
    differ. No password is printed.
    """
    statements = statements_for(session.config())
    if as_json:
        print_json(statements)
        return
    for statement in statements or ["-- SQLite has no accounts: who may read and write the file, may do all."]:
        click.echo(statement)


def statements_for(config: Config) -> list[str]:
    """Return the statements for the database of these settings; none for SQLite."""
    from smart_cron.store.gateway import open_store
    from smart_cron.store.grants import MIGRATES, RUNS, grants

    store = open_store(config.migrate_url, alias="migrate", timeout_seconds=config.database.timeout_seconds)
    runs, migrates = _user(config.database_url), _user(config.migrate_url)
    names = {"runs": runs, "migrates": migrates} if runs != migrates else {"runs": RUNS, "migrates": MIGRATES}
    try:
        return grants(store.session, **names, host=_host(config.database_url))
    finally:
        store.database.close()


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or "")


def _host(url: str) -> str:
    is_near = (urlsplit(url).hostname or "localhost") in ("localhost", "127.0.0.1", "::1")
    return "localhost" if is_near else "%"
