"""What changes for those who may log in, where a backup takes the place of what is there."""

from __future__ import annotations

from dataclasses import replace

from smart_cron.core.roll import HeldKey, Holder, Roll, changes

ADA = Holder(name="ada", role="admin", is_active=True, password="p", factors="f", rights="r")
BOB = Holder(name="bob", role="viewer", is_active=True, password="p", factors="", rights="r")
KEY = HeldKey(shown="sc_1", label="deploy", user="ada", digest="d", is_good=True)


def roll(*users: Holder, key: HeldKey | None = None) -> Roll:
    return Roll(users={user.name: user for user in users}, keys={} if key is None else {key.digest: key})


def test_nothing_is_said_of_what_is_the_same() -> None:
    assert changes(roll(ADA, BOB, key=KEY), roll(ADA, BOB, key=KEY)) == []


def test_whoever_was_disabled_since_is_let_in_again_and_that_is_said() -> None:
    assert changes(roll(ADA, replace(BOB, is_active=False)), roll(ADA, BOB)) == [
        "user 'bob' may log in again, who may not now"
    ]


def test_whoever_comes_back_is_named_with_their_role_and_whoever_goes_too() -> None:
    assert changes(roll(ADA), roll(ADA, BOB)) == ["user 'bob' comes back, as viewer"]
    assert changes(roll(ADA), roll(ADA, replace(BOB, is_active=False))) == [
        "user 'bob' comes back, as viewer, who may not log in"
    ]
    assert changes(roll(ADA, BOB), roll(ADA)) == ["user 'bob' is gone: the backup does not know them"]


def test_roles_passwords_and_factors_of_then_are_told() -> None:
    then = replace(BOB, role="editor", password="old", factors="old", rights="old")

    assert changes(roll(ADA, BOB), roll(ADA, then)) == [
        "user 'bob' is editor, in place of viewer",
        "user 'bob' has password and second factors and logins elsewhere and groups of tasks of then",
    ]


def test_a_key_that_was_revoked_or_made_since_is_told() -> None:
    revoked = replace(KEY, is_good=False)

    assert changes(roll(ADA, key=revoked), roll(ADA, key=KEY)) == [
        "API key sc_1 (deploy) of 'ada' counts again: it was revoked since"
    ]
    assert changes(roll(ADA), roll(ADA, key=KEY)) == ["API key sc_1 (deploy) of 'ada' comes back"]
    assert changes(roll(ADA, key=KEY), roll(ADA)) == ["API key sc_1 (deploy) of 'ada' counts no longer"]
    assert changes(roll(ADA, key=revoked), roll(ADA)) == []


def test_a_backup_without_an_admin_who_may_log_in_is_warned_of() -> None:
    assert changes(roll(ADA, BOB), roll(replace(ADA, is_active=False), BOB))[-1] == (
        "no admin may log in: make one with 'smart-cron user role NAME admin'"
    )
