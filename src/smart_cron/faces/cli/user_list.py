"""`smart-cron user list`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.zones import zone
from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.tables import Cell, Column, show_table
from smart_cron.faces.cli.text import instant_in_full
from smart_cron.faces.cli.user import opened_book

if TYPE_CHECKING:
    from smart_cron.core.people import Account


COLUMNS = (
    Column(title="User"),
    Column(title="Role"),
    Column(title="Groups", gives_way=True),
    Column(title="Second factor"),
    Column(title="Last login"),
    Column(title="Sessions", right=True),
    Column(title="State"),
)
NOBODY = "Nobody may log in yet: smart-cron user add NAME --role admin"


@click.command("list")
@json_option
@pass_session
def user_list(session: Session, /, *, as_json: bool) -> None:
    """Show who may log in, as what, and when they last did."""
    with opened_book(session) as book:
        accounts = book.accounts()
    if as_json:
        print_json([_document(account) for account in accounts])
        return
    where = zone(session.time_zone)
    show_table(COLUMNS, [_row(account, where) for account in accounts], empty=NOBODY)


def _document(account: Account) -> dict[str, Any]:
    person = account.person
    return {
        "id": person.id,
        "name": person.name,
        "role": person.role,
        "groups": None if person.groups is None else sorted(person.groups),
        "is_active": account.is_active,
        "needs_second_factor": account.needs_second_factor,
        "has_second_factor": account.has_second_factor,
        "created_at": account.made_at,
        "last_login_at": account.last_login_at,
        "sessions": account.sessions,
    }


def _row(account: Account, where: tzinfo) -> Sequence[Cell | str]:
    person, at = account.person, account.last_login_at
    factor = "set up" if account.has_second_factor else "demanded" if account.needs_second_factor else "no"
    return [
        person.name,
        str(person.role),
        "all" if person.groups is None else ", ".join(group or "(none)" for group in sorted(person.groups)),
        factor,
        instant_in_full(at, zone=where) if at else "never",
        str(account.sessions),
        Cell("active") if account.is_active else Cell("disabled", "dim"),
    ]
