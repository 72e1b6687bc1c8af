"""The wall around a process that sends by foreign code: connections to judged addresses, and no other way out.

Names are resolved by our guard, so the code gets judged addresses and no others; an audit hook, which nothing in the
process can take away, then compares each connection with what was handed out. A name that answers differently, a
redirect, an address written as a number, a Unix socket and a datagram all end there. For this process alone: it cannot
be undone.
"""

from __future__ import annotations

import os
import socket
import sys
from http import HTTPStatus
from importlib import import_module
from ipaddress import IPv6Address, ip_address
from typing import Any

from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.deadline import Deadline
from smart_cron.services.notify.guard import Guard

MAX_BODY_BYTES = 64 * 1024
# What a message never needs: programs, datagrams, servers, the system's log, libraries other than Python's own.
FORBIDDEN = (
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.spawn",
    "socket.bind",
    "socket.gethostbyaddr",
    "socket.gethostbyname",
    "socket.sendmsg",
    "socket.sendto",
    "subprocess.Popen",
    "syslog.openlog",
    "syslog.syslog",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Wall:
    """Built by `build`; tells afterwards what was refused and which statuses came back."""

    def __init__(self, guard: Guard, deadline: Deadline) -> None:
        self._guard, self._deadline = guard, deadline
        self._permitted: set[str] = set()
        self.refusals: list[DeliveryError] = []
        self.statuses: list[int] = []

    def build(self) -> None:
        """Put it up."""
        socket.getaddrinfo = self._resolve
        self._stand_before_requests()
        sys.addaudithook(self._watch)

    def _resolve(self, host: Any, port: Any, family: int = 0, *_: int, **__: int) -> list[tuple[Any, ...]]:
        """Answer as `socket.getaddrinfo` does, with judged addresses only."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        try:
            addresses = self._guard.addresses(name, deadline=self._deadline)
        except DeliveryError as refusal:
            raise self._refused(refusal, socket.gaierror(socket.EAI_FAIL, "refused")) from None
        self._permitted.update(map(str, addresses))
        entries = [_entry(str(address), int(port or 0)) for address in addresses]
        return [entry for entry in entries if family in (0, entry[0])]

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            self._check_connection(arguments[1])
        elif event in FORBIDDEN or (event == "open" and _writes(arguments)):
            refusal = DeliveryError(
                f"refused: this apprise service needs more than a connection ({event})",
                permanent=True,
                remedy="Take a service that is reached over the network.",
            )
            raise self._refused(refusal, PermissionError("refused"))

    def _check_connection(self, address: object) -> None:
        if isinstance(address, tuple) and address and _is_in(str(address[0]), self._permitted):
            return
        refusal = DeliveryError("refused: a connection to an address that was not judged", permanent=True)
        raise self._refused(refusal, PermissionError("refused"))

    def _stand_before_requests(self) -> None:
        """Judge each address that `requests` calls, follow no redirect, read no more of a page than is of use."""
        requests = import_module("requests")
        send = requests.Session.send

        def judged_send(session: Any, request: Any, **options: Any) -> Any:
            try:
                self._guard.judge(str(request.url), deadline=self._deadline)
            except DeliveryError as refusal:
                raise self._refused(refusal, requests.ConnectionError("refused")) from None
            response = send(session, request, **{**options, "stream": True, "allow_redirects": False})
            self.statuses.append(int(response.status_code))
            # What `requests` would set itself after reading all of it.
            response._content = response.raw.read(MAX_BODY_BYTES, decode_content=True)  # noqa: SLF001
            response._content_consumed = True  # noqa: SLF001
            response.close()
            return response

        requests.Session.send = judged_send

    def _refused(self, refusal: DeliveryError, error: OSError) -> OSError:
        self.refusals.append(refusal)
        return error

    def reason(self, service: str) -> DeliveryError:
        """Return why a message did not get through."""
        if self.refusals:
            return self.refusals[0]
        status = self.statuses[-1] if self.statuses else 0
        if 300 <= status < 400:
            return DeliveryError(f"{service} answered HTTP {status}; redirects are not followed", permanent=True)
        passing = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
        words = f"{service} answered HTTP {status}" if status else f"{service} could not be reached or refused"
        return DeliveryError(words, permanent=400 <= status < 500 and status not in passing)


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _mode, flags = arguments
    return isinstance(flags, int) and bool(flags & WRITING) and path not in (os.devnull, os.devnull.encode())


def _entry(address: str, port: int) -> tuple[Any, ...]:
    if isinstance(ip_address(address), IPv6Address):
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def _is_in(host: str, permitted: set[str]) -> bool:
    try:
        return str(ip_address(host)) in permitted
    except ValueError:
        return False  # A name: it would be resolved behind our back.
