"""The pool of supervisors as the runner sees it: lines come and go, and their numbers are used again."""

from __future__ import annotations

import select
import socket
from pathlib import Path

from smart_cron.taskrunner.pool import Pool


def test_a_dead_supervisor_never_takes_a_later_ones_line_with_it(tmp_path: Path) -> None:
    pool = Pool(runs_dir=str(tmp_path), incarnation="boot:home")
    with select.epoll() as epoll:
        pool.attach(epoll)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        dead = pool.seat(1, ours)
        theirs.close()
        pool.deafen(dead)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        later = pool.seat(2, ours)
        assert later.fd == dead.fd

        pool.forget(dead)
        theirs.send(b"still heard")

        assert epoll.poll(0) == [(later.fd, select.EPOLLIN)]
        assert later.receive() == b"still heard"
        theirs.close()
        pool.forget(later)
