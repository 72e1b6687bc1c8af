"""Serving the application: the socket, uvicorn, signals, and saying that somebody listens."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports import Log
from smart_cron.core.ports.pings import PingStore
from smart_cron.faces.web.gate import LONGEST_HEAD_BYTES, Gate
from smart_cron.faces.web.protocol import MOST_CONNECTIONS, PatientProtocol

# SIGTERM and Ctrl-C end it within 5 s, although streams are open.
GRACE_SECONDS = 3
BACKLOG = 1024
LISTENING_SECONDS, AGAIN_SECONDS = 60.0, 5.0


class Server(uvicorn.Server):
    """uvicorn, ending by a signal as by a wish: with exit code 0. *on_ready* is called once signals are heard."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], object], on_signal: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_ready, self._on_signal = on_ready, on_signal

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and tell who has to end beside us."""
        self._on_signal()
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C; uvicorn would kill itself by them in the end."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        self._on_ready()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raise SmartCronError, saying what stands in the way."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise SmartCronError(
            f"{host} port {port} cannot be listened on: {error.strerror or error}.",
            remedy="Is another dashboard there already? --port takes another one, 0 any that is free.",
        ) from None
    return opened


def serve(
    gate: Gate,
    opened: socket.socket,
    *,
    trusted_proxies: tuple[str, ...],
    on_ready: Callable[[], object],
    on_signal: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; *on_ready* is called when it does, *on_signal* when it is told to end.

    Forwarded headers count from these proxies alone, from none where there are none. The client's own word for its
    address would else set the rate limits and the audit (SECURITY 11).
    """
    _allow_many_connections()
    config = uvicorn.Config(
        gate,
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=LONGEST_HEAD_BYTES,
        backlog=BACKLOG,
    )
    Server(config, on_ready, on_signal).run(sockets=[opened])


def _allow_many_connections() -> None:
    """A soft limit of 1,024 files would let idle connections keep everybody else out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 512
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


@contextlib.contextmanager
def listening(pings: PingStore, log: Log, *, close: Callable[[], Any]) -> Iterator[None]:
    """Say each minute that pings are taken, so that a silence of ours is not taken for one of the jobs."""
    over = threading.Event()
    thread = threading.Thread(target=_say_listening, args=(pings, log, over, close), name="listening", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=1)


def _say_listening(pings: PingStore, log: Log, over: threading.Event, close: Callable[[], Any]) -> None:
    was_heard = True
    while not over.is_set():
        try:
            pings.listening()
            was_heard = True
        except SmartCronError as error:
            if was_heard:
                log.warning("Database does not serve, so no pings are taken", reason=str(error))
            was_heard = False
        over.wait(LISTENING_SECONDS if was_heard else AGAIN_SECONDS)
    with contextlib.suppress(SmartCronError):
        close()
