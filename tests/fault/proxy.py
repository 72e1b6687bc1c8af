"""A TCP proxy before a database server's Unix socket that can misbehave as networks and servers do.

One thread a connection; what the proxy does is looked up anew for every chunk, so that a fault also meets connections
that are open already.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

CHUNK_BYTES = 65_536
LOOK_SECONDS = 0.05
# A statement of its own in both protocols: MariaDB's is the packet's text, PostgreSQL's a query or a parse message.
COMMIT = b"COMMIT"
# close() sends a reset and drops what was not sent.
LINGER_NOT = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on 127.0.0.1 at `port` and passes on to a Unix socket. `with` starts and ends it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._delay_seconds = 0.0
        self._bytes_per_second = 0.0
        self._holds_back = threading.Event()
        self._replies_to_lose = 0
        self._stopping = threading.Event()
        self.lost_replies = 0

    # Faults

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long; 0 ends it."""
        self._delay_seconds = seconds

    def throttle(self, bytes_per_second: float) -> None:
        """Pass on no more than so much; 0 ends it."""
        self._bytes_per_second = bytes_per_second

    def blackhole(self) -> None:
        """Accept, and neither answer nor pass anything on, until `heal`."""
        self._holds_back.set()

    def heal(self) -> None:
        """End every fault."""
        self.delay(0)
        self.throttle(0)
        self._holds_back.clear()
        self._replies_to_lose = 0

    def reset(self) -> None:
        """Break every open connection, as a firewall that forgot them does."""
        with self._lock:
            for connection in self._open:
                # Not closed from here: its own thread may be in a call on it, and the number may be another's then.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def lose_reply_to_commit(self, times: int = 1) -> None:
        """Pass the next COMMIT on, and break the connection when the server has answered."""
        self._replies_to_lose = times

    # Work

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._listener.close()
        self.reset()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._target))
        except OSError:
            client.close()
            server.close()
            return
        with self._lock:
            self._open |= {client, server}
        try:
            self._pass_on(client, server)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {client, server}
            client.close()
            server.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        loses_reply = False
        while not self._stopping.is_set():
            if self._holds_back.is_set():
                self._stopping.wait(LOOK_SECONDS)
                continue
            for source in select.select([client, server], [], [], LOOK_SECONDS)[0]:
                data = source.recv(CHUNK_BYTES)
                if not data:
                    return
                if source is server and loses_reply:
                    self.lost_replies += 1
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                    return
                if source is client and COMMIT in data and self._takes_one():
                    loses_reply = True
                self._slow_down(len(data))
                (server if source is client else client).sendall(data)

    def _takes_one(self) -> bool:
        with self._lock:
            taken = self._replies_to_lose > 0
            self._replies_to_lose -= taken
            return taken

    def _slow_down(self, size: int) -> None:
        seconds = self._delay_seconds
        if self._bytes_per_second:
            seconds += size / self._bytes_per_second
        if seconds:
            self._stopping.wait(seconds)
