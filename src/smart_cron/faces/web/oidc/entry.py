"""Who somebody is here whom the provider vouches for."""

from __future__ import annotations

from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import InvalidInputError
from smart_cron.faces.web.oidc.claims import Vouched
from smart_cron.faces.web.oidc.errors import EntryError
from smart_cron.faces.web.premises import Premises, people_of
from smart_cron.store.people.identities import IdentityBook
from smart_cron.store.people.models import User

NOT_KNOWN = "You are no user here. An admin can let you in."
NAME_TAKEN = (
    "There is a user of your name here, and nothing says that it is you. Log in with its password and tie the two on "
    "your account's page, or have an admin do so: smart-cron user link."
)
NO_ROLE = "None of your groups has a role here."
DISABLED = "Your user here is disabled."


def admitted(premises: Premises, who: Vouched, *, address: str | None) -> User:
    """Return their user, as the provider says it is now; made where the settings want it. Raise EntryError."""
    config = premises.config.web.oidc
    actor = Actor("OpenID Connect", source=Source.PAGE, ip_address=address)
    user = identities_of(premises).user_of(config.issuer, who.subject)
    if user is None:
        return _made(premises, who, actor)
    if not user.is_active:
        raise EntryError(DISABLED)
    try:
        _follow(premises, user, who, actor)
    except InvalidInputError as fault:
        raise EntryError(str(fault)) from None
    return User.objects.get(pk=user.pk)


def identities_of(premises: Premises) -> IdentityBook:
    """Return the ties between users and identities."""
    return IdentityBook(premises.store.session, premises.store.audit)


def _made(premises: Premises, who: Vouched, actor: Actor) -> User:
    config = premises.config.web.oidc
    # Whatever the case: two names that look the same are a trap for whoever reads the audit log.
    if User.objects.is_taken(who.name):
        raise EntryError(NAME_TAKEN)
    if not config.makes_users:
        raise EntryError(NOT_KNOWN)
    if who.role is None:
        raise EntryError(NO_ROLE)
    try:
        return identities_of(premises).make(
            who.name, issuer=config.issuer, subject=who.subject, role=who.role, groups=who.groups, actor=actor
        )
    except InvalidInputError as fault:
        raise EntryError(str(fault)) from None


def _follow(premises: Premises, user: User, who: Vouched, actor: Actor) -> None:
    """Give the role and the groups that the provider's have come to, as far as the settings let it say so."""
    config, book, now = premises.config.web.oidc, people_of(premises), user.person
    if config.roles:
        if who.role is None:
            raise EntryError(NO_ROLE)
        if who.role is not now.role:
            book.set_role(now.name, who.role, actor=actor)
    if config.task_groups and who.groups != now.groups:
        book.set_groups(now.name, who.groups, actor=actor)
