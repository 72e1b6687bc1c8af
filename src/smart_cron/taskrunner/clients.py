"""The runner's side of its clients: the listening socket, and who is connected."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct

from smart_cron.taskrunner import protocol
from smart_cron.taskrunner.directories import own_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.protocol import Message

BACKLOG = 64
CHUNK_BYTES = 262_144
# A client that reads nothing is let go: it finds what it missed in the run files.
MOST_UNREAD_BYTES = 16 << 20
MOST_UNFINISHED_BYTES = 64 << 20
PEER = struct.Struct("3i")


class Connection:
    """One client."""

    __slots__ = ("_lines", "_out", "fd", "is_watching", "socket")

    def __init__(self, connected: socket.socket) -> None:
        self.socket, self.fd = connected, connected.fileno()
        self.is_watching = False
        self._lines = protocol.LineBuffer()
        self._out = bytearray()

    def send(self, message: Message) -> None:
        """Queue a message; the loop sends it when it can."""
        self._out += protocol.line(message)

    def queue(self, line: bytes) -> None:
        """Queue a message that is JSON already."""
        self._out += line
        self._out += b"\n"

    def read(self) -> list[bytes] | None:
        """Return the lines that have come, or None where the client is gone or sends without end."""
        try:
            data = self.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data or len(self._lines) > MOST_UNFINISHED_BYTES:
            return None
        return self._lines.feed(data)

    def flush(self) -> bool:
        """Send what the client takes now; False where it is gone or reads nothing."""
        if not self._out:
            return True
        try:
            del self._out[: self.socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return len(self._out) <= MOST_UNREAD_BYTES

    @property
    def has_more(self) -> bool:
        return bool(self._out)


def may_enter(uid: int) -> bool:
    """Say whether this user may tell the runner what to do."""
    return uid in (os.geteuid(), 0)


class ClientDesk:
    """Listens, lets in the same user and root only, and tells watching clients what happens."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener: socket.socket | None = None
        self._identity: tuple[int, int] | None = None
        self._connections: dict[int, Connection] = {}
        self._waiting_to_write: set[int] = set()
        self._epoll: select.epoll | None = None

    def listen(self) -> None:
        """Make the socket file anew and listen on it. Only the holder of the runner's lock may call this."""
        own_directory(os.path.dirname(self._path))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        previous = os.umask(0o177)
        try:
            protocol.at_address(self._path, listener.bind)
        finally:
            os.umask(previous)
        listener.listen(BACKLOG)
        self._listener, self._identity = listener, self._file_identity()
        if self._epoll is not None:
            self._epoll.register(listener.fileno(), select.EPOLLIN)

    def attach(self, epoll: select.epoll) -> None:
        """Have the loop wait for clients."""
        self._epoll = epoll
        if self._listener is not None:
            epoll.register(self._listener.fileno(), select.EPOLLIN)

    def _file_identity(self) -> tuple[int, int] | None:
        try:
            found = os.lstat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def listen_again_if_gone(self) -> None:
        """Make the socket file again where somebody deleted or replaced it: nothing in there is precious."""
        if self._listener is None or self._file_identity() == self._identity:
            return
        self._listener.close()
        try:
            self.listen()
        except OSError:
            # Perhaps the directory is being made anew right now; there is a next round.
            self._identity = None

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def stop_listening(self) -> None:
        """Make room for another runner; who is connected stays so."""
        if self._listener is None:
            return
        if self._file_identity() == self._identity:
            os.unlink(self._path)
        self._close_listener()
        self._listener = None

    def is_listener(self, fd: int) -> bool:
        return self._listener is not None and self._listener.fileno() == fd

    @property
    def has_clients(self) -> bool:
        return bool(self._connections)

    def accept(self) -> None:
        """Let a client in, or close the door: the kernel says who it is."""
        assert self._listener is not None
        assert self._epoll is not None
        try:
            connected, _ = self._listener.accept()
        except OSError:
            return
        connected.setblocking(False)
        _, uid, _ = PEER.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))
        if not may_enter(uid):
            connected.close()
            return
        self._connections[connected.fileno()] = Connection(connected)
        self._epoll.register(connected.fileno(), select.EPOLLIN)

    def receive(self, fd: int, event: int) -> list[tuple[Connection, bytes]]:
        """Return the requests that have come in on *fd*."""
        connection = self._connections.get(fd)
        if connection is None or not event & ~select.EPOLLOUT:
            return []
        lines = connection.read()
        if lines is None:
            self._drop(connection)
            return []
        return [(connection, line) for line in lines]

    def publish(self, line: bytes) -> None:
        """Queue an event for every client that watches."""
        for connection in self._connections.values():
            if connection.is_watching:
                connection.queue(line)

    def flush(self) -> None:
        """Send what is queued, as far as clients take it."""
        for connection in list(self._connections.values()):
            if not connection.flush():
                self._drop(connection)
            elif connection.has_more != (connection.fd in self._waiting_to_write):
                self._wait_to_write(connection)

    def _wait_to_write(self, connection: Connection) -> None:
        assert self._epoll is not None
        if connection.has_more:
            self._waiting_to_write.add(connection.fd)
            self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._waiting_to_write.discard(connection.fd)
            self._epoll.modify(connection.fd, select.EPOLLIN)

    def _drop(self, connection: Connection) -> None:
        assert self._epoll is not None
        self._epoll.unregister(connection.fd)
        self._waiting_to_write.discard(connection.fd)
        del self._connections[connection.fd]
        connection.socket.close()
