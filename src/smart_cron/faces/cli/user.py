"""`smart-cron user`: who may log in to the dashboard."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from smart_cron.core.people import Role
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.store.people.book import PeopleBook

COMMANDS = {
    "add": ("user:add", "Let somebody log in."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def user() -> None:
    """Say who may log in to the dashboard."""


@click.command()
@click.argument("name")
@click.option("--role", type=click.Choice([str(role) for role in Role]), default=str(Role.VIEWER), show_default=True)
@pass_session
def add(session: Session, /, *, name: str, role: str) -> None:
    """Let somebody log in, with a password that is asked for, or read from standard input.

    A viewer sees; an operator runs, enables and acknowledges too; an editor changes tasks, and so may run code as their
    users; an admin changes users, settings and backups too.
    """
    password = read_password()
    with opened_book(session) as book:
        book.add(name, password, role=Role(role), actor=session.actor)
    click.echo(f"User '{name}' may log in as {role}.")


def read_password() -> str:
    """Ask for a password twice at a terminal, else take the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@contextmanager
def opened_book(session: Session) -> Iterator[PeopleBook]:
    """Open the book of who may log in, its tables brought up to date."""
    # Late: Django's login takes half a second that no other command should.
    from smart_cron.faces.web.settings import open_web_store
    from smart_cron.faces.web.tables import bring_tables
    from smart_cron.home import make_database_file, require_closed_to_others, require_home

    config = session.config()
    require_home(config)
    require_closed_to_others(config)
    make_database_file(config)
    store = open_web_store(config)
    try:
        bring_tables(config, store)
        from smart_cron.store.people.book import PeopleBook

        yield PeopleBook(store.session, store.audit)
    finally:
        store.database.close()
