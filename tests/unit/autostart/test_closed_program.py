"""A program that the service user cannot run is found out when it is installed, and not by a unit that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smart_cron.installation import refusal_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can find out for another user")


def test_a_program_that_everybody_can_run_is_fine() -> None:
    assert refusal_of(["/bin/true"], "nobody") is None


def test_a_program_in_a_closed_folder_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "smart-cron"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    tmp_path.chmod(0o700)

    assert refusal_of([str(program)], "nobody") == "Permission denied"


@pytest.mark.parametrize(("script", "reason"), [("echo a >&2; echo b >&2; exit 1", "b"), ("exit 3", "exit code 3")])
def test_a_program_that_fails_is_told_with_its_last_words(script: str, reason: str) -> None:
    assert refusal_of(["/bin/sh", "-c", script], "nobody") == reason


def test_it_is_called_with_no_group_of_ours() -> None:
    only_own = '[ "$(id -G)" = "$(id -G nobody)" ]'

    assert refusal_of(["/bin/sh", "-c", only_own], "nobody") is None


def test_a_user_without_an_account_is_not_asked_about() -> None:
    assert refusal_of(["/bin/false"], "4711") is None
