"""Who may log in at a server, as commands look at it and change it there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

from smart_cron.core.errors import SmartCronError
from smart_cron.core.people import Account, Person, Role
from smart_cron.faces.cli.remote.client import Api, instant


class RemotePeople:
    """The users of a server. Who changes them is the key's user, whatever `actor` says here."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def accounts(self) -> Sequence[Account]:
        """Return every user, by name."""
        return [_account(row) for row in self._api.get("/users")]

    def add(
        self,
        name: str,
        password: str,
        *,
        role: Role,
        actor: str,
        groups: Collection[str] | None = None,
        needs_second_factor: bool = False,
    ) -> None:
        """Let somebody in."""
        del actor
        told = {"name": name, "password": password, "role": str(role), "needs_second_factor": needs_second_factor}
        self._api.post("/users", {**told, "groups": None if groups is None else list(groups)})

    def set_role(self, name: str, role: Role, *, actor: str) -> None:
        """Give another role."""
        del actor
        self._change(name, {"role": str(role)})

    def set_groups(self, name: str, groups: Collection[str] | None, *, actor: str) -> None:
        """Say which groups of tasks they are let near, all where None."""
        del actor
        self._change(name, {"groups": None if groups is None else list(groups)})

    def set_active(self, name: str, is_active: bool, *, actor: str) -> None:
        """Let them log in, or no longer."""
        del actor
        self._change(name, {"is_active": is_active})

    def reset_second_factor(self, name: str, *, actor: str) -> int:
        """Take their second factors away; return how many there were."""
        del actor
        return int(self._api.post(f"/users/{quote(name, safe='')}/reset-mfa")["count"])

    def set_password(self, name: str, password: str, *, actor: str) -> NoReturn:
        """Refuse: who can set anybody's password is anybody."""
        del name, password, actor
        raise SmartCronError("passwords of others are set on the machine itself.", remedy="Leave --server out, there.")

    def rehearse(self, change: object) -> NoReturn:
        """Refuse: a server does what it is asked."""
        del change
        raise SmartCronError("a change of users cannot be rehearsed from afar.", remedy="Leave --dry-run out.")

    def _change(self, name: str, terms: Mapping[str, Any]) -> None:
        self._api.patch(f"/users/{quote(name, safe='')}", terms)


def _account(row: Mapping[str, Any]) -> Account:
    groups = row["groups"]
    return Account(
        person=Person(
            id=row["id"],
            name=row["name"],
            role=Role(row["role"]),
            groups=None if groups is None else frozenset(groups),
        ),
        is_active=row["is_active"],
        needs_second_factor=row["needs_second_factor"],
        has_second_factor=row["has_second_factor"],
        made_at=instant(row["created_at"]),
        last_login_at=instant(row["last_login_at"]),
        sessions=row["sessions"],
    )
