"""sd_notify(3), against a socket of our own in systemd's place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from smart_cron.taskrunner.notify import READY, notify_systemd


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    name = str(tmp_path / "notify") if request.param == "path" else f"\0smart-cron{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(name)
        made.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        yield made


def test_a_state_arrives_as_one_datagram(listener: socket.socket) -> None:
    assert notify_systemd(READY)

    assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "/nonexistent/socket"])
def test_nobody_to_tell_is_no_fault(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert not notify_systemd(READY)
