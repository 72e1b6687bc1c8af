"""`smart-cron user link` and `unlink`: whom the provider of OpenID Connect knows as which user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.options import dry_run_option
from smart_cron.faces.cli.session import Session, pass_session
from smart_cron.faces.cli.user import opened_people, say

if TYPE_CHECKING:
    from smart_cron.store.people.identities import IdentityBook

_T = TypeVar("_T")


@click.command()
@click.argument("name")
@click.argument("subject")
@dry_run_option
@pass_session
def link(session: Session, /, *, name: str, subject: str, dry_run: bool) -> None:
    """Let somebody log in with OpenID Connect, too.

    SUBJECT is the claim 'sub' by which the provider knows them: never a name or an address, which they may choose.
    """
    issuer = session.config().web.oidc.issuer
    if not issuer:
        raise SmartCronError("there is no provider.", remedy="Set web.oidc.issuer first: see docs/web.md.")
    _change(
        session,
        lambda book: book.link(name, issuer=issuer, subject=subject, actor=session.actor),
        dry_run=dry_run,
    )
    say(f"User '{name}' is whom {issuer} knows as '{subject}'.", dry_run=dry_run)


@click.command()
@click.argument("name")
@dry_run_option
@pass_session
def unlink(session: Session, /, *, name: str, dry_run: bool) -> None:
    """Let somebody log in with OpenID Connect no more.

    Their sessions go on: 'smart-cron user disable' ends those.
    """
    count = _change(session, lambda book: book.unlink(name, actor=session.actor), dry_run=dry_run)
    say(f"User '{name}' had {count} identit{'y' if count == 1 else 'ies'} and has none.", dry_run=dry_run)


def _change(session: Session, change: Callable[[IdentityBook], _T], *, dry_run: bool) -> _T:
    with opened_people(session, brings_tables=not dry_run) as store:
        from smart_cron.store.people.book import PeopleBook
        from smart_cron.store.people.identities import IdentityBook

        identities = IdentityBook(store.session, store.audit)
        if dry_run:
            return PeopleBook(store.session, store.audit).rehearse(lambda _: change(identities))
        return change(identities)
