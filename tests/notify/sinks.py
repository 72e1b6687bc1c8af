"""Real servers on loopback that take what is sent, or misbehave as servers do. Each listens before it is used."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

DEADLINE = 20.0


@dataclass
class Certificates:
    """An authority of our own and a certificate of it for localhost; `stranger` is one that nobody trusts."""

    ca_file: str
    ours: ssl.SSLContext
    stranger: ssl.SSLContext

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def certificates(folder: Any) -> Certificates:
    authority, other = trustme.CA(), trustme.CA()
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return Certificates(ca_file=str(path), ours=_server_context(authority), stranger=_server_context(other))


def _server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


# --- mail ------------------------------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """What a mail server took, and how it answers: `rcpt` and `data` are answers that stand for refusals."""

    rcpt: str = ""
    data: str = ""
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    envelopes: list[tuple[str, list[str], bytes, bool]] = field(default_factory=list)
    port: int = 0
    taken: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.rcpt:
            return self.rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data:
            return self.data
        content = bytes(envelope.content)
        is_encrypted = server.transport.get_extra_info("sslcontext") is not None
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos), content, is_encrypted))
        self.taken.release()
        return "250 OK queued as 4711"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"correct horse", handled=False)

    def mail(self) -> EmailMessage:
        """The one mail that came. No property: the server looks at all of its handler's."""
        (envelope,) = self.envelopes
        return cast(EmailMessage, message_from_bytes(envelope[2], policy=default))


@contextmanager
def mail_server(
    box: Mailbox,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: bool = False,
    host: str = "127.0.0.1",
) -> Iterator[Mailbox]:
    """A real SMTP server in a thread of its own; `box.port` is where."""
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        return SMTP(
            box,
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=login,
            auth_require_tls=starttls is not None,
            authenticator=box.login if login else None,
            enable_SMTPUTF8=False,
            hostname="sink",
        )

    server = loop.run_until_complete(loop.create_server(protocol, host, 0, ssl=tls))
    box.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="mail-sink")
    thread.start()
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(_ended(server), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()


async def _ended(server: asyncio.AbstractServer) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# --- anything over TCP -----------------------------------------------------------------------------------------------

Script = Callable[[socket.socket], None]


@dataclass
class Peer:
    """A server that plays a script with each that connects, and counts them."""

    port: int
    connections: int = 0
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peer(script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Peer]:
    with socket.create_server((host, 0)) as listener:
        state = Peer(port=listener.getsockname()[1])
        threads: list[threading.Thread] = []
        accepting = threading.Thread(target=_accept, args=(listener, state, script, tls, threads), name="peer")
        accepting.start()
        try:
            yield state
        finally:
            state.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(DEADLINE)
            for thread in threads:
                thread.join(DEADLINE)


def _accept(
    listener: socket.socket, state: Peer, script: Script, tls: ssl.SSLContext | None, threads: list[threading.Thread]
) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        state.connections += 1
        thread = threading.Thread(target=_play, args=(connection, script, tls), name="peer-script")
        threads.append(thread)
        thread.start()


def _play(connection: socket.socket, script: Script, tls: ssl.SSLContext | None) -> None:
    connection.settimeout(DEADLINE)
    with suppress(OSError), connection:
        if tls is None:
            script(connection)
            return
        with tls.wrap_socket(connection, server_side=True) as encrypted:
            script(encrypted)


# --- HTTP ------------------------------------------------------------------------------------------------------------


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def read_request(connection: socket.socket) -> Request:
    """Read one request whole."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(connection)
    return Request(method, path, headers, body)


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("hung up in the middle of a request")
    return data


@contextmanager
def web_sink(
    answer: str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", *, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[Peer, list[Request]]]:
    """Answer each request with the same bytes and keep what came."""
    requests: list[Request] = []

    def script(connection: socket.socket) -> None:
        requests.append(read_request(connection))
        connection.sendall(answer.encode())

    with peer(script, tls=tls) as state:
        yield state, requests
