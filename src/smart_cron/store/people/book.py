"""Who may log in, as commands and pages change it. Every change writes an audit row, and is whole or not made."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session as BrowserSession
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet

from smart_cron.core.errors import InvalidInputError
from smart_cron.core.people import Account, Role
from smart_cron.store.people.accounts import accounts_of
from smart_cron.store.people.models import User

if TYPE_CHECKING:
    from smart_cron.core.ports.audit import AuditStore
    from smart_cron.store.session import Session

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
LONGEST_GROUP, MOST_GROUPS = 100, 100
LONGEST_PASSWORD = 1000
_T = TypeVar("_T")


class UnknownUserError(InvalidInputError):
    """Nobody of that name may log in."""

    def __init__(self, name: str) -> None:
        super().__init__([f"there is no user '{name[:100]}'"], remedy="'smart-cron user list' shows them all.")


class _RehearsedError(Exception):
    """Takes a change back that was only to be tried."""


class PeopleBook:
    """Users, by name; a name is never changed."""

    def __init__(self, session: Session, audit: AuditStore) -> None:
        self._session, self._audit = session, audit

    def accounts(self) -> Sequence[Account]:
        """Return every user, by name."""
        with self._session.transaction():
            return accounts_of(User.objects.order_by("username"))

    def account(self, user_id: int) -> Account | None:
        """Return a user by number, or None."""
        with self._session.transaction():
            return next(iter(accounts_of(User.objects.filter(pk=user_id))), None)

    def is_empty(self) -> bool:
        """Whether nobody may log in yet."""
        with self._session.transaction():
            return not User.objects.exists()

    def rehearse(self, change: Callable[[PeopleBook], _T]) -> _T:
        """Make a change and take it back; return what it returned. Raise what it raises."""
        found: list[_T] = []
        try:
            with self._session.transaction():
                found.append(change(self))
                raise _RehearsedError
        except _RehearsedError:
            return found[0]

    def add(
        self,
        name: str,
        password: str,
        *,
        role: Role,
        actor: str,
        groups: Collection[str] | None = None,
        needs_second_factor: bool = False,
        only_as_first: bool = False,
    ) -> User:
        """Make a user. Raise InvalidInputError for what cannot be taken; *only_as_first*: where there is another."""
        if not NAME.fullmatch(name):
            raise InvalidInputError(
                [f"'{name[:100]}' is no name for a user: letters, digits and . _ @ - are taken, 100 at most"]
            )
        require_good(password, User(username=name))
        with self._session.transaction():
            if only_as_first and User.objects.exists():
                raise InvalidInputError(["there is an account already"])
            if User.objects.is_taken(name):
                raise InvalidInputError([f"there is a user '{name}' already"])
            user = User.objects.make(name, password, role=role)
            user.task_groups, user.needs_second_factor = as_json(groups), needs_second_factor
            user.save(update_fields=["task_groups", "needs_second_factor"])
            new = {"role": str(role), "groups": listed(groups), "needs_second_factor": needs_second_factor}
            self._audit.note("create", actor=actor, entity=("user", user.pk, name), new=new)
        return user

    def set_password(self, name: str, password: str, *, actor: str) -> None:
        """Set a password, end all their sessions, and forget their failed logins. Raise InvalidInputError."""
        with self._changing(name) as user:
            require_good(password, user)
            user.set_password(password)
            user.save(update_fields=["password"])
            AccessAttempt.objects.filter(username=name).delete()
            self._end(user)
            self._note("set password", user, actor)

    def set_active(self, name: str, is_active: bool, *, actor: str) -> None:
        """Let them log in, or no longer, and not with the sessions that they have."""
        with self._changing(name, keeps_admin=is_active) as user:
            if user.is_active == is_active:
                return
            user.is_active = is_active
            user.save(update_fields=["is_active"])
            self._end(user)
            self._note("enable" if is_active else "disable", user, actor)

    def set_role(self, name: str, role: Role, *, actor: str) -> None:
        """Give another role; it counts from their next request on."""
        with self._changing(name, keeps_admin=role is Role.ADMIN) as user:
            before, user.role = user.role, str(role)
            user.save(update_fields=["role"])
            self._note("set role", user, actor, ({"role": before}, {"role": str(role)}))

    def set_groups(self, name: str, groups: Collection[str] | None, *, actor: str) -> None:
        """Let them near the tasks of these groups alone, of all where None; `""` are the tasks without a group."""
        with self._changing(name, keeps_admin=groups is None) as user:
            before, user.task_groups = user.task_groups, as_json(groups)
            user.save(update_fields=["task_groups"])
            old = None if before is None else json.loads(before)
            self._note("set groups", user, actor, ({"groups": old}, {"groups": listed(groups)}))

    def demand_second_factor(self, name: str, is_needed: bool, *, actor: str) -> None:
        """Let them see nothing before they have a second factor, or no longer ask for one."""
        with self._changing(name) as user:
            before, user.needs_second_factor = user.needs_second_factor, is_needed
            user.save(update_fields=["needs_second_factor"])
            told = ({"needs_second_factor": before}, {"needs_second_factor": is_needed})
            self._note("demand second factor", user, actor, told)

    def reset_second_factor(self, name: str, *, actor: str) -> int:
        """Forget their second factors and recovery codes, and end their sessions; return how many there were."""
        with self._changing(name) as user:
            own = Authenticator.objects.filter(user_id=user.pk)
            removed = own.exclude(type=Authenticator.Type.RECOVERY_CODES).count()
            own.delete()
            self._end(user)
            self._note("reset second factor", user, actor, ({"factors": removed}, {"factors": 0}))
        return int(removed)

    def end_sessions(self, name: str, *, actor: str) -> int:
        """Log them out everywhere; return in how many browsers they were logged in."""
        with self._changing(name) as user:
            ended = self._end(user)
            self._note("end sessions", user, actor, (None, {"sessions": ended}))
        return ended

    @contextmanager
    def _changing(self, name: str, *, keeps_admin: bool = True) -> Iterator[User]:
        """Yield the user, locked. Without *keeps_admin* they are an admin no more: another one must stay."""
        with self._session.transaction():
            # Always in this order: of two who take each other's role away one waits for the other.
            everybodys = User.objects.filter(role=str(Role.ADMIN), is_active=True, task_groups__isnull=True)
            admins = list(_locked(everybodys.order_by("pk")))
            user = _locked(User.objects.filter(username=name)).first()
            if user is None:
                raise UnknownUserError(name)
            if not keeps_admin and [admin.pk for admin in admins] == [user.pk]:
                raise InvalidInputError(
                    [f"'{name}' is the only admin who may log in"],
                    remedy="Make another one first: smart-cron user role NAME admin.",
                )
            yield user

    @staticmethod
    def _end(user: User) -> int:
        # By the epoch even those that nobody has counted; the rows go so that none is shown any more.
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        counted = UserSession.objects.filter(user_id=user.pk)
        BrowserSession.objects.filter(session_key__in=list(counted.values_list("session_key", flat=True))).delete()
        return int(counted.delete()[0])

    def _note(
        self,
        action: str,
        user: User,
        actor: str,
        told: tuple[Mapping[str, object] | None, Mapping[str, object] | None] = (None, None),
    ) -> None:
        old, new = told
        self._audit.note(action, actor=actor, entity=("user", user.pk, str(user.username)), old=old, new=new)


def require_good(password: str, user: User) -> None:
    """Raise InvalidInputError for a password that is too short, too common or too much like its user's name."""
    if len(password) > LONGEST_PASSWORD:
        raise InvalidInputError([f"the password has more than {LONGEST_PASSWORD} characters"])
    try:
        validate_password(password, user)
    except ValidationError as fault:
        raise InvalidInputError([sentence.rstrip(".") for sentence in fault.messages]) from None


def _locked(users: QuerySet[User]) -> QuerySet[User]:
    # SQLite has no such words and needs none: one transaction writes at a time.
    return users.select_for_update()


def as_json(groups: Collection[str] | None) -> str | None:
    """Return groups as a user's row holds them. Raise InvalidInputError."""
    found = listed(groups)
    return None if found is None else json.dumps(found)


def listed(groups: Collection[str] | None) -> list[str] | None:
    """Return groups in order, None being all. Raise InvalidInputError for too many or too long ones."""
    if groups is None:
        return None
    if len(groups) > MOST_GROUPS or any(len(group) > LONGEST_GROUP for group in groups):
        raise InvalidInputError([f"{MOST_GROUPS} groups of {LONGEST_GROUP} characters at most"])
    return sorted(set(groups))
