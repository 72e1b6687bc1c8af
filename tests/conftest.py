"""What holds for every test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.servers import Server

# Here servers die, and no machine does.
Server.outlives_the_machine = False

# Whoever starts us in the background of a shell without job control has SIGINT ignored, and every process that a test
# starts would inherit that: then no Ctrl-C could be tried.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
# What takes longest, in this order: folders, and a file that takes minutes by itself.
LONG = (
    "benchmarks",
    "web/test_accessibility.py",
    "fault",
    "process",
    "moving",
    "engine",
    "docs",
    "web",
    "conformance",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first: no worker is left with one of them when the others have nothing to do any more."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    path = item.path.relative_to(HERE)
    names = {str(path), path.parts[0]}
    return next((place for place, name in enumerate(LONG) if name in names), len(LONG))
