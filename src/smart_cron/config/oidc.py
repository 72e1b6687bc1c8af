"""Settings of a login by OpenID Connect."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from smart_cron.config.alerting import Section

RoleWord = Literal["viewer", "operator", "editor", "admin"]
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OidcConfig(Section):
    """Who vouches for people besides our own passwords. Without an issuer nobody does.

    `roles` and `task_groups` map what the provider says in `groups_claim`; where a table is empty, the provider has no
    say in it.
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    label: str = Field(default="OpenID Connect", min_length=1, max_length=60)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    # A file of certificates to trust besides those of the machine.
    ca_file: str = ""
    name_claim: str = Field(default="preferred_username", min_length=1, max_length=100)
    groups_claim: str = Field(default="groups", min_length=1, max_length=100)
    roles: dict[str, RoleWord] = Field(default_factory=dict)
    task_groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    # Whether somebody who is no user here becomes one, and with which role where `roles` names none; none: no entry.
    makes_users: bool = False
    default_role: Literal["none"] | RoleWord = "none"
    # Words in the claim `amr` that stand for a second factor; with none of them one is demanded here as of anybody.
    second_factor_amr: tuple[str, ...] = ()
    timeout_seconds: int = Field(default=5, ge=1, le=20)

    @property
    def is_on(self) -> bool:
        """Whether anybody may log in so."""
        return bool(self.issuer)

    @field_validator("issuer")
    @classmethod
    def _address(cls, issuer: str) -> str:
        if issuer:
            parts = urlsplit(issuer)
            plain = parts.scheme == "http" and parts.hostname in LOOPBACK
            if not (parts.scheme == "https" or plain) or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"'{issuer}' is no issuer such as https://id.example.org/realms/main")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("'openid' must be among the scopes")
        return scopes

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer and not self.client_id:
            raise ValueError("client_id is needed with an issuer")
        return self
