"""What a provider says of somebody, read by the settings: name, role, groups of tasks, second factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smart_cron.config.oidc import OidcConfig
from smart_cron.core.people import Role
from smart_cron.faces.web.oidc.errors import EntryError

EVERY = "*"
# As in the settings' pages: tasks without a group.
WITHOUT = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Whom the provider vouches for. `role` None: none of its groups is mapped to one; `groups` None: all."""

    subject: str
    name: str
    role: Role | None
    groups: frozenset[str] | None
    has_second_factor: bool


def vouched(claims: Mapping[str, Any], config: OidcConfig) -> Vouched:
    """Return what the claims come to. Raise EntryError where they name nobody."""
    theirs = _words(_claim(claims, config.groups_claim))
    return Vouched(
        subject=claims["sub"],
        name=_name(claims, config.name_claim),
        role=_role(theirs, config),
        groups=_groups(theirs, config),
        has_second_factor=bool(_words(claims.get("amr")) & set(config.second_factor_amr)),
    )


def _name(claims: Mapping[str, Any], claim: str) -> str:
    name = _claim(claims, claim)
    if not isinstance(name, str) or not name.strip():
        raise EntryError(f"Your login there has no name: the claim '{claim}' is missing.")
    if claim == "email" and claims.get("email_verified") is not True:
        # Anybody may write anybody's address into a profile.
        raise EntryError("Your address of mail is not verified there.")
    return name.strip()


def _role(theirs: frozenset[str], config: OidcConfig) -> Role | None:
    """Return the highest of the roles that are mapped."""
    found = [Role(role) for group, role in config.roles.items() if group in theirs]
    standard = None if config.default_role == "none" else Role(config.default_role)
    return max(found, key=list(Role).index) if found else standard


def _groups(theirs: frozenset[str], config: OidcConfig) -> frozenset[str] | None:
    if not config.task_groups:
        return None
    found = frozenset(each for group, near in config.task_groups.items() if group in theirs for each in near)
    return None if EVERY in found else frozenset("" if each == WITHOUT else each for each in found)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim; of `realm_access.roles` the part of it, where there is none of the whole name."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _words(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset([value])
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
