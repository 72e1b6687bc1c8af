"""What a provider's claims come to by the settings."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from smart_cron.config.oidc import OidcConfig
from smart_cron.core.people import Role
from smart_cron.faces.web.oidc.claims import Vouched, vouched
from smart_cron.faces.web.oidc.errors import EntryError, ProviderError
from smart_cron.faces.web.oidc.http import require_safe

ISSUER = "https://id.example.org"


def said(config: dict[str, Any] | None = None, /, **claims: Any) -> Vouched:
    known = {"sub": "1", "preferred_username": "ada", **claims}
    return vouched(known, OidcConfig.model_validate({"issuer": ISSUER, "client_id": "x", **(config or {})}))


def test_without_a_mapping_the_provider_decides_nothing() -> None:
    assert said(groups=["admins"]) == Vouched(subject="1", name="ada", role=None, groups=None, has_second_factor=False)


def test_of_several_roles_the_highest_counts_and_without_one_the_default() -> None:
    config = {"roles": {"a": "viewer", "b": "admin", "c": "editor"}}

    assert said(config, groups=["a", "c", "other"]).role is Role.EDITOR
    assert said(config, groups=["other"]).role is None
    assert said({**config, "default_role": "operator"}, groups=[]).role is Role.OPERATOR


def test_groups_of_tasks_are_added_up() -> None:
    config = {"task_groups": {"eu": ["eu", "-"], "us": ["us"], "all": ["*"]}}

    assert said(config, groups=["eu", "us"]).groups == {"eu", "", "us"}
    assert said(config, groups=["none"]).groups == frozenset()
    assert said(config, groups=["eu", "all"]).groups is None


@pytest.mark.parametrize("groups", [None, 5, {"admins": True}, [["admins"]], [None], True])
def test_a_claim_of_another_shape_names_no_group(groups: object) -> None:
    assert said({"roles": {"admins": "admin"}}, groups=groups).role is None


def test_a_claim_may_stand_within_another_or_have_a_dot_in_its_name() -> None:
    config = {"roles": {"admins": "admin"}, "groups_claim": "realm_access.roles"}

    assert said(config, realm_access={"roles": ["admins"]}).role is Role.ADMIN
    assert said(config, **{"realm_access.roles": "admins"}).role is Role.ADMIN
    assert said(config, realm_access=["roles"]).role is None


@pytest.mark.parametrize("name", [None, "", "  ", 7, ["ada"]])
def test_who_has_no_name_is_nobody(name: object) -> None:
    with pytest.raises(EntryError):
        said(preferred_username=name)


def test_a_second_factor_counts_where_the_settings_name_its_word() -> None:
    assert not said(amr=["pwd", "mfa"]).has_second_factor
    assert said({"second_factor_amr": ["mfa"]}, amr=["pwd", "mfa"]).has_second_factor
    assert not said({"second_factor_amr": ["mfa"]}, amr=["pwd"]).has_second_factor


@pytest.mark.parametrize(
    "values",
    [
        {"issuer": "http://id.example.org"},
        {"issuer": "ftp://127.0.0.1"},
        {"issuer": "https://id.example.org?x=1"},
        {"client_id": ""},
        {"scopes": ["profile"]},
        {"roles": {"a": "root"}},
        {"default_role": "root"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OidcConfig.model_validate({"issuer": ISSUER, "client_id": "x", **values})


@pytest.mark.parametrize("url", ["http://id.example.org/token", "https:///token", "file:///etc/passwd", "//x", ""])
def test_nothing_is_asked_of_an_address_in_the_clear(url: str) -> None:
    with pytest.raises(ProviderError):
        require_safe(url)
