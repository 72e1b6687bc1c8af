"""Who may log in, as commands and pages change it. Every change writes an audit row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.people import Role
from smart_cron.store.people.models import User

if TYPE_CHECKING:
    from smart_cron.core.ports.audit import AuditStore
    from smart_cron.store.session import Session

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


class PeopleBook:
    """Users, by name."""

    def __init__(self, session: Session, audit: AuditStore) -> None:
        self._session, self._audit = session, audit

    def add(self, name: str, password: str, *, role: Role, actor: str) -> User:
        """Make a user. Raise InvalidInputError for a name or password that cannot be taken."""
        if not NAME.fullmatch(name):
            raise InvalidInputError(
                [f"'{name[:100]}' is no name for a user: letters, digits and . _ @ - are taken, 100 at most."]
            )
        self._require_good(password, User(username=name))
        with self._session.transaction():
            if User.objects.filter(username=name).exists():
                raise InvalidInputError([f"there is a user '{name}' already."])
            user = User.objects.make(name, password, role=role)
            self._audit.note("create", actor=actor, entity=("user", user.pk, name), new={"role": str(role)})
        return user

    @staticmethod
    def _require_good(password: str, user: User) -> None:
        try:
            validate_password(password, user)
        except ValidationError as fault:
            raise InvalidInputError([sentence.rstrip(".") for sentence in fault.messages]) from None
