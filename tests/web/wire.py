"""Bytes on a connection, as no client of HTTP would send them."""

from __future__ import annotations

import contextlib
import socket

from tests.web.conftest import ANSWER_SECONDS, Dashboard


def raw(dashboard: Dashboard, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the end, which asking to send no more brings about."""
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=ANSWER_SECONDS) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                found += piece
    return found
