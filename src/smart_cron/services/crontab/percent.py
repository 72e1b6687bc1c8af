"""The percent sign of crontab(5): a bare one ends the command, and what follows is its standard input."""

from __future__ import annotations

import re

# In a command a backslash is taken away before `%` and before another backslash, and stays before all else.
_COMMAND_PIECE = re.compile(r"\\[%\\]|%|[^\\%]+|\\")
_INPUT_PIECE = re.compile(r"\\%|%")


def split_command(text: str) -> tuple[str, str | None]:
    """Return the command as the shell gets it, and its standard input or None where there is no bare `%`."""
    command: list[str] = []
    for match in _COMMAND_PIECE.finditer(text):
        piece = match[0]
        if piece == "%":
            return "".join(command), _standard_input(text[match.end() :])
        command.append(piece[1:] if piece in (r"\%", r"\\") else piece)
    return "".join(command), None


def _standard_input(text: str) -> str:
    """Return what cron writes to the command: further `%` are line ends, and the last line is ended too."""
    lines = _INPUT_PIECE.sub(lambda match: "%" if len(match[0]) == 2 else "\n", text)
    return lines if not lines or lines.endswith("\n") else lines + "\n"
