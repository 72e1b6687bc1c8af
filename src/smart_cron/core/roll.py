"""Who may log in, as two databases have it, and what changes where one takes the other's place. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from smart_cron.core.people import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A user. `password`, `factors` and `rights` are digests, which tell that something is another, and not what."""

    name: str
    role: str
    is_active: bool
    password: str
    factors: str
    rights: str

    @property
    def is_working_admin(self) -> bool:
        """Whether this one can mend what others cannot."""
        return self.is_active and self.role == Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """An API key, by what may be shown of it. `is_good` says that it was neither revoked nor has run out."""

    shown: str
    label: str
    user: str
    digest: str
    is_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """Everybody, by name, and every key, by its digest."""

    users: Mapping[str, Holder] = field(default_factory=dict)
    keys: Mapping[str, HeldKey] = field(default_factory=dict)


def changes(here: Roll, back: Roll) -> list[str]:
    """Say what changes where *back* takes the place of *here*: what opens a door first, then what closes one."""
    told = [*_opened(here, back), *_closed(here, back)]
    if back.users and not any(user.is_working_admin for user in back.users.values()):
        told.append("no admin may log in: make one with 'smart-cron user role NAME admin'")
    return told


def _opened(here: Roll, back: Roll) -> Iterator[str]:
    for name, user in back.users.items():
        yield from _user_comes(name, here.users.get(name), user)
    for digest, key in back.keys.items():
        now = here.keys.get(digest)
        if key.is_good and not (now is not None and now.is_good):
            why = "comes back" if now is None else "counts again: it was revoked since"
            yield f"API key {key.shown} ({key.label}) of '{key.user}' {why}"


def _user_comes(name: str, now: Holder | None, user: Holder) -> Iterator[str]:
    if now is None:
        yield f"user '{name}' comes back, as {user.role}{'' if user.is_active else ', who may not log in'}"
        return
    if user.is_active != now.is_active:
        yield f"user '{name}' {'may log in again, who may not now' if user.is_active else 'may log in no longer'}"
    if user.role != now.role:
        yield f"user '{name}' is {user.role}, in place of {now.role}"
    others = [
        what
        for what, one, other in (
            ("password", user.password, now.password),
            ("second factors and logins elsewhere", user.factors, now.factors),
            ("groups of tasks", user.rights, now.rights),
        )
        if one != other
    ]
    if others:
        yield f"user '{name}' has {' and '.join(others)} of then"


def _closed(here: Roll, back: Roll) -> Iterator[str]:
    for name in here.users:
        if name not in back.users:
            yield f"user '{name}' is gone: the backup does not know them"
    for digest, key in here.keys.items():
        then = back.keys.get(digest)
        if key.is_good and not (then is not None and then.is_good):
            yield f"API key {key.shown} ({key.label}) of '{key.user}' counts no longer"
