"""What a killed supervisor leaves to the task runner ends with its run, whatever dies while the tree is looked at."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from tests.process.conftest import Node, is_alive, wait_until_gone
from tests.process.test_end import stray

# Whoever was sent SIGKILL is dead by the time that a list of children is made use of: the worst of all moments.
DIES_BETWEEN_LIST_AND_LOOK = """
import os
import signal
from smart_cron.taskrunner import tree

killed = set()
kill, send, children_of = os.kill, tree.send_signals, tree.children_of

def noted_kill(pid, number):
    if number == signal.SIGKILL:
        killed.add(pid)
    kill(pid, number)

def noted_send(process, signals):
    if signal.SIGKILL in signals:
        killed.add(process.pid)
    return send(process, signals)

def children_that_die_now(root):
    children = children_of(root)
    if root == os.getpid():
        for pid in killed.intersection(children):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return children

os.kill, tree.send_signals, tree.children_of = noted_kill, noted_send, children_that_die_now
"""
# line N POST: a line of N parents and children, of which each one that ends leaves the next to the task runner.
LINE = """#!/bin/sh
if [ "$1" -eq 0 ]; then
    echo $$ > "$2"
    exec sleep 300
fi
"$0" $(($1 - 1)) "$2" &
wait
"""


@pytest.mark.parametrize("parents", [1, 4])
def test_a_child_whose_parent_dies_while_the_tree_is_looked_at_is_ended(
    make_node: Callable[[str], Node], parents: int
) -> None:
    node = make_node("racing").start_in_foreground(DIES_BETWEEN_LIST_AND_LOOK)
    post = node.signpost()
    order = node.launch(script=str(node.script(LINE)), arguments=[str(parents), post.path])
    last = int(post.wait())

    os.kill(node.event("started", order["run_id"])["supervisor_pid"], signal.SIGKILL)
    end = node.event("finished", order["run_id"])

    assert end["cause"] == "lost"
    assert not is_alive(last)
    assert str(last) in [name.partition(":")[0] for name in end["leftovers"]]


def test_what_was_kept_ends_with_the_supervisor_that_keeps_it(node: Node) -> None:
    post, gate = node.signpost(), node.signpost()
    command = f"{stray(post.path)} read x < {gate.path}"
    order = node.launch(shell_command=command, keep_processes=True, kill_grace_seconds=0)
    kept = int(post.wait())
    supervisor = node.event("started", order["run_id"])["supervisor_pid"]
    os.write(os.open(gate.path, os.O_RDWR | os.O_NONBLOCK), b"go\n")
    assert node.event("finished", order["run_id"])["cause"] == "exited"
    assert is_alive(kept)

    os.kill(supervisor, signal.SIGKILL)

    wait_until_gone(kept)
