"""Who may do what: roles, and the groups of tasks that a person is let near."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do, the least first; each may do what those before it may.

    A viewer sees; an operator runs, enables and acknowledges; an editor changes tasks, and so runs code as their users;
    an admin changes users, settings and backups too.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what *other* may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks. `groups` are the groups of tasks that they are let near, None all; tasks without one are in `""`."""

    id: int
    name: str
    role: Role
    groups: frozenset[str] | None = None

    def may(self, role: Role) -> bool:
        """Whether they may do what needs this role."""
        return self.role.includes(role)

    @property
    def administers(self) -> bool:
        """Whether they may do what concerns everybody: an admin of some groups is one of their tasks alone."""
        return self.role is Role.ADMIN and self.groups is None

    def is_near(self, group: str | None) -> bool:
        """Whether tasks of this group are any business of theirs."""
        return self.groups is None or (group or "") in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as admins see them; `sessions` is how many browsers are logged in."""

    person: Person
    is_active: bool
    needs_second_factor: bool
    has_second_factor: bool
    made_at: datetime | None
    last_login_at: datetime | None
    sessions: int = 0

    @property
    def is_working_admin(self) -> bool:
        """Whether this one can mend what others cannot."""
        return self.is_active and self.person.administers
