"""One HTTP request to a judged address: no redirect, no proxy, no more than a status line back, bounded in time."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus

from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.deadline import Deadline, hung_up_at, shake_hands
from smart_cron.services.notify.guard import Guard, Target

TOTAL_SECONDS = 20.0
# Statuses of the 4xx that another attempt may get past: too slow, too early, too many.
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)


class WebCaller:
    """Calls what the guard allows. *context* decides which certificates hold; None takes the system's."""

    def __init__(
        self, guard: Guard, *, context: ssl.SSLContext | None = None, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._guard, self._context, self._total_seconds = guard, context, total_seconds

    def call(
        self, url: str, *, method: str = "POST", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> str:
        """Return the answer's status, such as `HTTP 200 OK`. Raise DeliveryError for any that is no success.

        The page of the answer is not read: nothing of it may be shown, and a long or slow one costs nothing.
        """
        deadline = Deadline(self._total_seconds)
        target = self._guard.judge(url, deadline=deadline)
        connection = _Pinned(target, deadline, self._tls() if target.scheme == "https" else None)
        try:
            with hung_up_at(deadline, lambda: connection.sock):
                status = _ask(connection, target, method, body, headers or {})
            if deadline.has_passed:
                # What was cut off in its middle looks like an answer that ended there.
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreached(target, error, deadline) from None
        finally:
            connection.close()
        return _judged(target, status)

    def _tls(self) -> ssl.SSLContext:
        # Kept: to read all the system's certificates takes longer than the call.
        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the addresses that were judged, and to no other. TLS, if any, goes by the host's name."""

    def __init__(self, target: Target, deadline: Deadline, context: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=deadline.left)
        self._target, self._deadline, self._tls = target, deadline, context

    def connect(self) -> None:
        """Try the addresses in turn, as long as there is time."""
        self.sock = self._first_that_answers()
        self.sock.settimeout(self._deadline.left)
        if self._tls is not None:
            shake_hands(self.sock, self._tls, self._target.host, keep=self._keep)

    def _keep(self, connection: ssl.SSLSocket) -> None:
        self.sock = connection

    def _first_that_answers(self) -> socket.socket:
        fault: OSError = TimeoutError()
        addresses = self._target.addresses
        for place, address in enumerate(addresses):
            # One address that swallows everything must not use up the time of the next.
            patience = self._deadline.left / (len(addresses) - place)
            try:
                return socket.create_connection((address, self._target.port), timeout=patience)
            except OSError as error:
                fault = error
        raise fault


def _ask(connection: _Pinned, target: Target, method: str, body: bytes, headers: Mapping[str, str]) -> int:
    connection.putrequest(method, target.path, skip_host=True, skip_accept_encoding=True)
    ours = {
        "Host": target.authority,
        "User-Agent": "Smart-Cron",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    for name, value in {**ours, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body or None)
    with connection.getresponse() as response:
        return response.status


def _judged(target: Target, status: int) -> str:
    words = f"HTTP {status} {_phrase(status)}".rstrip()
    if 200 <= status < 300:
        return words
    if 300 <= status < 400:
        raise DeliveryError(
            f"{target.host} answered {words}; redirects are not followed",
            permanent=True,
            remedy="Set the address that it leads to, if that is meant.",
        )
    is_permanent = 400 <= status < 500 and status not in PASSING
    remedy = "Look at the address and its secret." if is_permanent else ""
    raise DeliveryError(f"{target.host} answered {words}", permanent=is_permanent, remedy=remedy)


def _phrase(status: int) -> str:
    """Return our own words for a status: those of the other side may be anything."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _unreached(target: Target, error: Exception, deadline: Deadline) -> DeliveryError:
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = f"the certificate of {target.host} is not accepted: {error.verify_message}"
        return DeliveryError(problem, permanent=False, remedy="Nothing was sent; mend its certificate.")
    if isinstance(error, ssl.SSLError) and not deadline.has_passed:
        return DeliveryError(f"{target.host} does not speak TLS as it should ({error.reason})", permanent=False)
    if deadline.has_passed or isinstance(error, TimeoutError):
        return DeliveryError(f"{target.host} gave no answer within {deadline.seconds:g} s", permanent=False)
    if isinstance(error, http.client.HTTPException | ValueError):
        return DeliveryError(f"{target.host} closed the connection or answered with something else", permanent=False)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return DeliveryError(f"{target.host} cannot be reached: {reason}", permanent=False)
