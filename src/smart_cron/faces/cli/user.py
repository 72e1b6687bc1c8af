"""`smart-cron user`: who may log in to the dashboard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import click

from smart_cron.core.people import Role
from smart_cron.faces.cli.lazy import LazyGroup
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.store.gateway import Store
    from smart_cron.store.people.book import PeopleBook

_T = TypeVar("_T")
ROLES = click.Choice([str(role) for role in Role])
COMMANDS = {
    "add": ("user:add", "Let somebody log in."),
    "list": ("user_list:user_list", "Show who may log in."),
    "passwd": ("user:passwd", "Set somebody's password, and log them out everywhere."),
    "disable": ("user:disable", "Let somebody log in no longer, and end their sessions."),
    "enable": ("user:enable", "Let somebody log in again."),
    "role": ("user:role", "Give somebody another role."),
    "groups": ("user:groups", "Say which groups of tasks somebody is let near."),
    "link": ("user_link:link", "Let somebody log in with OpenID Connect, too."),
    "unlink": ("user_link:unlink", "Let somebody log in with OpenID Connect no more."),
    "reset-mfa": (
        "user:reset_mfa",
        "Take somebody's second factors and recovery codes away, and log them out everywhere.",
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def user() -> None:
    """Say who may log in to the dashboard."""


@click.command()
@click.argument("name")
@click.option("--role", type=ROLES, default=str(Role.VIEWER), show_default=True, help="What they may do.")
@click.option("--group", "groups", multiple=True, help="Near tasks of this group alone; '' are those without one.")
@click.option("--second-factor", is_flag=True, help="They see nothing before they have set one up.")
@dry_run_option
@pass_session
def add(
    session: Session, /, *, name: str, role: str, groups: tuple[str, ...], second_factor: bool, dry_run: bool
) -> None:
    """Let somebody log in, with a password that is asked for, or read from standard input.

    A viewer sees; an operator runs, enables and acknowledges too; an editor changes tasks, and so may run code as their
    users; an admin changes users, settings and backups too.
    """
    password = read_password()
    _change(
        session,
        lambda book: book.add(
            name, password, role=Role(role), groups=groups or None, needs_second_factor=second_factor,
            actor=session.actor,
        ),
        dry_run=dry_run,
    )  # fmt: skip
    say(f"User '{name}' may log in as {role}.", dry_run=dry_run)


@click.command()
@click.argument("name")
@dry_run_option
@pass_session
def passwd(session: Session, /, *, name: str, dry_run: bool) -> None:
    """Set somebody's password, and log them out everywhere.

    The password is asked for, or read from standard input. Whoever was locked out by wrong tries may try again.
    """
    password = read_password()
    _change(session, lambda book: book.set_password(name, password, actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' has another password and is logged in nowhere.", dry_run=dry_run)


@click.command()
@click.argument("name")
@dry_run_option
@pass_session
def disable(session: Session, /, *, name: str, dry_run: bool) -> None:
    """Let somebody log in no longer, and end their sessions. Their API keys count no more, either."""
    _change(session, lambda book: book.set_active(name, False, actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' may log in no longer.", dry_run=dry_run)


@click.command()
@click.argument("name")
@dry_run_option
@pass_session
def enable(session: Session, /, *, name: str, dry_run: bool) -> None:
    """Let somebody log in again."""
    _change(session, lambda book: book.set_active(name, True, actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' may log in.", dry_run=dry_run)


@click.command()
@click.argument("name")
@click.argument("role", type=ROLES)
@dry_run_option
@pass_session
def role(session: Session, /, *, name: str, role: str, dry_run: bool) -> None:
    """Give somebody another role; it counts at once. At least one admin stays."""
    _change(session, lambda book: book.set_role(name, Role(role), actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' is {role}.", dry_run=dry_run)


@click.command()
@click.argument("name")
@click.argument("names", metavar="[GROUP]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Near all tasks, of whatever group.")
@dry_run_option
@pass_session
def groups(session: Session, /, *, name: str, names: tuple[str, ...], every: bool, dry_run: bool) -> None:
    """Say which groups of tasks somebody is let near; '' are the tasks without one.

    What belongs to other groups is not there for them, not even by its number.
    """
    if every == bool(names):
        raise click.UsageError("name groups, or give --all.")
    wanted = None if every else names
    _change(session, lambda book: book.set_groups(name, wanted, actor=session.actor), dry_run=dry_run)
    near = "all tasks" if every else f"tasks of {', '.join(repr(group) for group in names)}"
    say(f"User '{name}' is let near {near}.", dry_run=dry_run)


@click.command("reset-mfa")
@click.argument("name")
@dry_run_option
@pass_session
def reset_mfa(session: Session, /, *, name: str, dry_run: bool) -> None:
    """Take somebody's second factors and recovery codes away, and log them out everywhere."""
    removed = _change(session, lambda book: book.reset_second_factor(name, actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' had {removed} second factors and has none; they are logged in nowhere.", dry_run=dry_run)


def _change(session: Session, change: Callable[[PeopleBook], _T], *, dry_run: bool) -> _T:
    with opened_book(session, brings_tables=not dry_run) as book:
        return book.rehearse(change) if dry_run else change(book)


def say(sentence: str, *, dry_run: bool) -> None:
    """Print what was done, or would have been."""
    click.echo(f"Would do: {sentence} Nothing was done." if dry_run else sentence)


def read_password() -> str:
    """Ask for a password twice at a terminal, else take the first line of standard input."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


@contextmanager
def opened_book(session: Session, *, brings_tables: bool = True) -> Iterator[PeopleBook]:
    """Open the book of who may log in, its tables brought up to date unless told otherwise; or a server's."""
    if session.is_remote:
        from smart_cron.faces.cli.remote.house import api_of
        from smart_cron.faces.cli.remote.people import RemotePeople

        with session.house() as house:
            yield cast("PeopleBook", RemotePeople(api_of(house)))
        return
    with opened_people(session, brings_tables=brings_tables) as store:
        from smart_cron.store.people.book import PeopleBook

        yield PeopleBook(store.session, store.audit)


@contextmanager
def opened_people(session: Session, *, brings_tables: bool = True) -> Iterator[Store]:
    """Open the store with the tables of who may log in, brought up to date unless told otherwise."""
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
        if brings_tables:
            bring_tables(config, store)
        yield store
    finally:
        store.database.close()
