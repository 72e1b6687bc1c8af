"""Who is let in at the runner's socket."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_cron.taskrunner.clients import ClientDesk, may_enter

STRANGER = 65_534


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ClientDesk]:
    opened = ClientDesk(str(tmp_path / "run" / "socket"))
    epoll = select.epoll()
    opened.attach(epoll)
    opened.listen()
    yield opened
    opened.stop_listening()
    for connection in list(opened._connections.values()):
        connection.socket.close()
    epoll.close()


def test_only_the_same_user_and_root_may_enter() -> None:
    assert may_enter(os.geteuid())
    assert may_enter(0)
    assert not may_enter(os.geteuid() + 1)


def test_the_own_user_is_let_in(desk: ClientDesk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "run" / "socket"))
        desk.accept()

        assert desk.has_clients


def test_another_user_is_shown_the_door_by_what_the_kernel_says(desk: ClientDesk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        _connect_as_stranger(client, tmp_path / "run" / "socket")
        desk.accept()

        assert desk.has_clients == may_enter(os.geteuid() or STRANGER)
        if os.geteuid() == 0:
            assert client.recv(1) == b""


def _connect_as_stranger(client: socket.socket, path: Path) -> None:
    # The kernel notes who connects; for an ordinary user that is always the same one.
    if os.geteuid() != 0:
        client.connect(str(path))
        return
    path.chmod(0o666)
    folder = os.open(path.parent, os.O_PATH)
    path.parent.chmod(0o755)
    os.seteuid(STRANGER)
    try:
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.seteuid(0)
        os.close(folder)
