"""docs/specification.md has every command of the specification, and names none of ours that there is not."""

from __future__ import annotations

import re

import pytest
from tests.docs.commands import AS_PRINTED, MAPPED
from tests.docs.statements import DOCS
from tests.unit.cli.test_command_list import COMMANDS

PAGE = (DOCS / "specification.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", PAGE.replace(r"\|", "¦"), re.MULTILINE))
ANSWERS = {command.replace("¦", "|"): answer for command, answer in ROWS.items()}


@pytest.mark.parametrize("command", AS_PRINTED)
def test_what_works_as_printed_is_said_to(command: str) -> None:
    assert "s printed" in ANSWERS[command]


def test_every_command_has_an_answer_and_there_are_no_others() -> None:
    assert set(ANSWERS) == {*AS_PRINTED, *MAPPED}


def test_every_command_of_ours_is_there() -> None:
    named = _commands()

    assert named
    assert named <= set(COMMANDS)


def test_every_option_of_ours_is_there() -> None:
    for words, option in re.findall(r"`smart-cron ([a-z]+(?: [a-z]+)*) (--[a-z-]+)", PAGE):
        if words in COMMANDS:
            assert any(option in parameter.opts for parameter in COMMANDS[words][0].params), (words, option)


def _commands() -> set[str]:
    texts = re.findall(r"`(?:[*/0-9 ]+ )?smart-cron ([a-z -]+)", PAGE)
    return {" ".join(word for word in text.split() if re.fullmatch(r"[a-z][a-z-]*", word)) for text in texts}
