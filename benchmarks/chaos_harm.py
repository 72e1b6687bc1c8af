"""What a chaos run does to the database, and how it is undone: one thing at a time."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.fault.proxy import Proxy
from tests.servers import MariaDb, Server

from benchmarks.databases import Connection

Undo = Callable[[], object]
CUT_OFF = "cut off node"
DELAY_SECONDS = 0.05
# Beyond the timeouts in force.
AFTERMATH_SECONDS = 5.0


class Harm:
    """Does one thing to the database at a time."""

    def __init__(self) -> None:
        self._under_way: str | None = None
        self._felt_until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the database is left alone now, but for a node that was cut off from it."""
        return self._under_way in (None, CUT_OFF)

    @property
    def is_felt(self) -> bool:
        """Whether somebody may still wait for an answer that a harm has cost."""
        return self._under_way is not None or time.monotonic() < self._felt_until

    def do(self, kind: str, node: int = 0) -> Undo | None:
        """Do this, to one *node* where it is about one, and return what undoes it; None while another is under way."""
        if self._under_way is not None:
            return None
        undo = self._cut_off(node) if kind == CUT_OFF else self._kinds[kind]()
        self._under_way = kind

        def mend() -> None:
            undo()
            self._under_way = None
            self._felt_until = time.monotonic() + AFTERMATH_SECONDS

        return mend

    @property
    def _kinds(self) -> Mapping[str, Callable[[], Undo]]:
        raise NotImplementedError

    def _cut_off(self, node: int) -> Undo:
        raise NotImplementedError


class SqliteHarm(Harm):
    """A file has no server, but others can lock it."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        super().__init__()
        self._connect = connect

    @property
    def _kinds(self) -> Mapping[str, Callable[[], Undo]]:
        return {"lock database": self._lock}

    def _lock(self) -> Undo:
        other = self._connect()
        other.execute("BEGIN IMMEDIATE")

        def unlock() -> None:
            other.execute("COMMIT")
            other.close()

        return unlock


class ServerHarm(Harm):
    """A server can be killed, frozen and made read-only, and the way to it broken: each node has one of its own."""

    def __init__(self, server: Server, proxies: Sequence[Proxy], schema: str) -> None:
        super().__init__()
        self._server, self._proxies, self._schema = server, proxies, schema

    @property
    def _kinds(self) -> Mapping[str, Callable[[], Undo]]:
        return {
            "kill server": self._kill,
            "freeze server": self._freeze,
            "make server read-only": self._make_read_only,
            "lose reply to COMMIT": self._lose_reply,
            "reset connections": self._reset,
            "blackhole": self._blackhole,
            "delay": self._delay,
        }

    def _kill(self) -> Undo:
        self._server.stop(signal.SIGKILL)
        return self._server.start

    def _freeze(self) -> Undo:
        self._server.freeze()
        return self._server.thaw

    def _make_read_only(self) -> Undo:
        if isinstance(self._server, MariaDb):
            self._server.run_sql("SET GLOBAL read_only = 1")
            return lambda: self._server.run_sql("SET GLOBAL read_only = 0")
        self._set_default_read_only("on")
        return lambda: self._set_default_read_only("off")

    def _set_default_read_only(self, switch: str) -> None:
        """It holds for new sessions, as after a fail-over: those that are there are ended."""
        self._server.run_sql(f"ALTER DATABASE {self._schema} SET default_transaction_read_only = {switch}")
        self._server.run_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._schema}'")

    def _lose_reply(self) -> Undo:
        return self._on_all_ways(Proxy.lose_reply_to_commit)

    def _reset(self) -> Undo:
        return self._on_all_ways(Proxy.reset)

    def _blackhole(self) -> Undo:
        return self._on_all_ways(Proxy.blackhole)

    def _delay(self) -> Undo:
        return self._on_all_ways(lambda proxy: proxy.delay(DELAY_SECONDS))

    def _cut_off(self, node: int) -> Undo:
        self._proxies[node].blackhole()
        return self._proxies[node].heal

    def _on_all_ways(self, harm: Callable[[Proxy], object]) -> Undo:
        for proxy in self._proxies:
            harm(proxy)

        def heal() -> None:
            for proxy in self._proxies:
                proxy.heal()

        return heal


def socket_of(server: Server) -> Path:
    """Return the Unix socket that it listens on."""
    own = getattr(server, "socket", None)
    return own if isinstance(own, Path) else server.folder / ".s.PGSQL.5432"


def proxied(server: Server, url: str, port: int) -> str:
    """Return the URL of the same database by the way of a proxy on this port, as a user whom read-only binds."""
    parts = urlsplit(url)
    user, schema = "postgres", schema_of(url)
    if isinstance(server, MariaDb):
        user = "chaos"
        server.run_sql(f"CREATE USER IF NOT EXISTS {user}@localhost; GRANT ALL ON {schema}.* TO {user}@localhost")
    return f"{parts.scheme}://{user}@127.0.0.1:{port}/{schema}"


def schema_of(url: str) -> str:
    """Return the name of the database in a URL."""
    return urlsplit(url).path.lstrip("/")
