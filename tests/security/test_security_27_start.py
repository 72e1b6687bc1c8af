"""SECURITY 27: a script that became unsafe after it was saved is refused when it is to start."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.process.conftest import Node, _test_leaves_nothing_running, make_node, node

__all__ = ["_test_leaves_nothing_running", "make_node", "node"]


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o777, 0o757])
def test_an_unsafe_script_is_refused_at_the_start_again(node: Node, mode: int) -> None:
    end = node.finish(script=str(node.script("#!/bin/sh\n", mode=mode)))

    assert end["cause"] == "start_failed"


def test_a_script_outside_the_directories_is_refused_at_the_start(node: Node, tmp_path: Path) -> None:
    inside = node.script("#!/bin/sh\necho ran\n")
    escaping = inside.parent / "escaping"
    escaping.symlink_to("/bin/true")
    allowed = [str(inside.parent)]

    assert node.finish(script=str(inside), script_directories=allowed)["exit_code"] == 0
    assert "outside" in node.finish(script=str(escaping), script_directories=allowed)["reason"]
