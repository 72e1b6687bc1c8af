from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.test_command_list import COMMANDS

PAGE = (Path(__file__).parents[3] / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_command_is_documented(words: str) -> None:
    assert words in PAGE
