"""`/users`: who may log in, as what, and near which tasks. A browser must have logged in lately for any change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from smart_cron.core.people import Account, Role
from smart_cron.faces.api.access import actor_of, needs, require_fresh
from smart_cron.faces.api.paging import Closed
from smart_cron.faces.api.schemas import Said
from smart_cron.faces.web.premises import people_of, premises_of
from smart_cron.store.people.book import PeopleBook, UnknownUserError

router = Router(tags=["users"])
Groups = list[str]


class UserOut(Schema):
    """A user. `groups` are the groups of tasks that they are let near, null all; `""` is no group."""

    id: int
    name: str
    role: Role
    groups: Groups | None
    is_active: bool
    needs_second_factor: bool
    has_second_factor: bool
    created_at: datetime | None
    last_login_at: datetime | None
    sessions: int


class NewUser(Closed):
    """Whom to let in."""

    name: str = Field(max_length=100)
    password: str = Field(max_length=1000)
    role: Role = Role.VIEWER
    groups: Groups | None = Field(None, max_length=100, description="null is all, an empty text no group.")
    needs_second_factor: bool = False


class UserTerms(Closed):
    """What to change; what is left out stays as it is."""

    role: Role | None = None
    groups: Groups | None = Field(None, max_length=100, description="null is all, an empty text no group.")
    is_active: bool | None = None
    needs_second_factor: bool | None = None


class Removed(Said):
    """How many second factors there were."""

    count: int


@router.get("", response=list[UserOut], summary="List the users")
@needs(Role.ADMIN)
def list_users(request: HttpRequest) -> list[dict[str, Any]]:
    """By name."""
    return [_document(account) for account in _book(request).accounts()]


@router.get("/{name}", response=UserOut, summary="Show a user")
@needs(Role.ADMIN)
def show_user(request: HttpRequest, name: str) -> dict[str, Any]:
    """By name."""
    return _document(_account(request, name))


@router.post("", response={201: UserOut}, summary="Let somebody in")
@needs(Role.ADMIN)
def add_user(request: HttpRequest, payload: NewUser) -> tuple[int, dict[str, Any]]:
    """With a password that they should change."""
    require_fresh(request)
    _book(request).add(
        payload.name,
        payload.password,
        role=payload.role,
        groups=payload.groups,
        needs_second_factor=payload.needs_second_factor,
        actor=actor_of(request),
    )
    return 201, _document(_account(request, payload.name))


@router.patch("/{name}", response=UserOut, summary="Change role, groups, or whether they may log in")
@needs(Role.ADMIN)
def change_user(request: HttpRequest, name: str, payload: UserTerms) -> dict[str, Any]:
    """All of it, or nothing. At least one admin stays who may log in."""
    require_fresh(request)
    terms, book, actor = payload.dict(exclude_unset=True), _book(request), actor_of(request)
    name = _account(request, name).person.name
    with premises_of(request).store.database.transaction():
        if terms.get("role") is not None:
            book.set_role(name, terms["role"], actor=actor)
        if "groups" in terms:
            book.set_groups(name, terms["groups"], actor=actor)
        if terms.get("is_active") is not None:
            book.set_active(name, terms["is_active"], actor=actor)
        if terms.get("needs_second_factor") is not None:
            book.demand_second_factor(name, terms["needs_second_factor"], actor=actor)
    return _document(_account(request, name))


@router.post("/{name}/reset-mfa", response=Removed, summary="Take their second factors away")
@needs(Role.ADMIN)
def reset_second_factor(request: HttpRequest, name: str) -> dict[str, Any]:
    """Recovery codes too; they are logged in nowhere then."""
    require_fresh(request)
    count = _book(request).reset_second_factor(name, actor=actor_of(request))
    return {"changed": count > 0, "count": count, "message": f"'{name}' had {count} second factors and has none."}


@router.post("/{name}/end-sessions", response=Said, summary="Log them out everywhere")
@needs(Role.ADMIN)
def end_sessions(request: HttpRequest, name: str) -> dict[str, Any]:
    """Their API keys go on; a user who is not active has none that work."""
    require_fresh(request)
    count = _book(request).end_sessions(name, actor=actor_of(request))
    return {"changed": count > 0, "message": f"'{name}' was logged in in {count} browsers."}


def _account(request: HttpRequest, name: str) -> Account:
    found = next((account for account in _book(request).accounts() if account.person.name == name), None)
    if found is None:
        raise UnknownUserError(name)
    return found


def _book(request: HttpRequest) -> PeopleBook:
    return people_of(premises_of(request))


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
