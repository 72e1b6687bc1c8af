"""Whom a provider of OpenID Connect knows as which of our users.

A name or an address of mail never ties the two together: whoever can choose theirs at the provider would take over the
account here. What ties them is the issuer's own number for somebody, `sub`, and a deed: that we made the user for them,
that they were logged in here, or that somebody at the console said so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.people import Role
from smart_cron.store.people.book import NAME, UnknownUserError, as_json, listed
from smart_cron.store.people.models import Identity, User

if TYPE_CHECKING:
    from smart_cron.core.ports.audit import AuditStore
    from smart_cron.store.session import Session

LONGEST = 255


class IdentityBook:
    """The ties, with an audit row for each change."""

    def __init__(self, session: Session, audit: AuditStore) -> None:
        self._session, self._audit = session, audit

    def user_of(self, issuer: str, subject: str) -> User | None:
        """Return whose identity this is, active or not."""
        with self._session.transaction():
            found = Identity.objects.filter(identity_hash=_digest(issuer, subject)).select_related("user").first()
            return None if found is None else found.user

    def subjects(self, user_id: int) -> list[tuple[str, str]]:
        """Return issuer and subject of each identity of a user."""
        with self._session.transaction():
            return list(Identity.objects.filter(user_id=user_id).order_by("pk").values_list("issuer", "subject"))

    def make(
        self, name: str, *, issuer: str, subject: str, role: Role, groups: Collection[str] | None, actor: str
    ) -> User:
        """Make a user without a password, tied to this identity. Raise InvalidInputError where the name is taken."""
        if not NAME.fullmatch(name):
            raise InvalidInputError([f"'{name[:100]}' is no name for a user here"])
        with self._session.transaction():
            if User.objects.is_taken(name):
                raise InvalidInputError([f"there is a user '{name}' already"])
            user = User.objects.make(name, None, role=role)
            user.task_groups = as_json(groups)
            user.save(update_fields=["task_groups"])
            new = {"role": str(role), "groups": listed(groups), "issuer": issuer, "subject": subject}
            self._audit.note("create", actor=actor, entity=("user", user.pk, name), new=new)
            self._tie(user, issuer, subject)
        return user

    def link(self, name: str, *, issuer: str, subject: str, actor: str) -> None:
        """Tie an identity to a user. Raise InvalidInputError where it is somebody else's."""
        if not subject or len(subject) > LONGEST:
            raise InvalidInputError([f"a subject has 1 to {LONGEST} characters"])
        with self._session.transaction():
            user = _user(name)
            known = Identity.objects.filter(identity_hash=_digest(issuer, subject)).first()
            if known is not None and known.user.pk == user.pk:
                return
            if known is not None:
                raise InvalidInputError(["this identity belongs to another user here"])
            self._tie(user, issuer, subject)
            told = {"issuer": issuer, "subject": subject}
            self._audit.note("link identity", actor=actor, entity=("user", user.pk, name), new=told)

    def unlink(self, name: str, *, actor: str) -> int:
        """Forget all identities of a user; return how many there were."""
        with self._session.transaction():
            user = _user(name)
            own = Identity.objects.filter(user_id=user.pk)
            gone = list(own.values_list("issuer", "subject"))
            own.delete()
            if gone:
                old = {"identities": [f"{issuer} {subject}" for issuer, subject in gone]}
                self._audit.note("unlink identity", actor=actor, entity=("user", user.pk, name), old=old)
        return len(gone)

    @staticmethod
    def _tie(user: User, issuer: str, subject: str) -> None:
        Identity.objects.create(
            user=user, identity_hash=_digest(issuer, subject), issuer=issuer[:LONGEST], subject=subject
        )


def _user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise UnknownUserError(name)
    return user


def _digest(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\n{subject}".encode("utf-8", "surrogateescape")).hexdigest()
