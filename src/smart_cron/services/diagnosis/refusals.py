"""Why a database does not serve, told apart by what it or its driver said, each with a remedy of its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from smart_cron.services.diagnosis.facts import service_call

LOCAL: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
SERVICES: Final = {"postgresql": "postgresql", "postgres": "postgresql", "mysql": "mariadb", "mariadb": "mariadb"}
# The names of the servers' processes, cut by the kernel at 15 bytes.
PROGRAMS: Final = {"postgresql": frozenset({"postgres"}), "mariadb": frozenset({"mariadbd", "mysqld"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a database is meant to be. *service* is empty for SQLite, whose *name* is a path."""

    service: str
    host: str
    port: int | None
    user: str
    name: str
    settings_file: str
    systemd: bool = True

    @property
    def is_local(self) -> bool:
        """Whether a server of it runs on this machine."""
        return bool(self.service) and self.host in LOCAL

    def call(self, action: str) -> str:
        """Return the command that does *action* to a server on this machine."""
        return service_call(action, self.service, systemd=self.systemd)

    @property
    def client(self) -> str:
        """The command that a person tries by hand."""
        if self.service == "postgresql":
            return f"psql -h {self.host or 'localhost'} -U {self.user} {self.name}"
        return f"mariadb -h {self.host or 'localhost'} -u {self.user} -p {self.name}"


def address_of(url: str, *, settings_file: str, systemd: bool = True) -> Address:
    """Read a database URL, its password masked or not; nothing of it raises."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return Address(service="", host="", port=None, user="", name="", settings_file=settings_file, systemd=systemd)
    asked = parse_qs(parts.query)
    host = unquote(parts.hostname or "") or next(iter(asked.get("host", ())), "")
    service = SERVICES.get(parts.scheme, "")
    return Address(
        service=service,
        host="" if host.startswith("/") else host,
        port=port,
        user=unquote(parts.username or ""),
        name=unquote(parts.path.lstrip("/")) if service else f"/{unquote(parts.path).lstrip('/')}",
        settings_file=settings_file,
        systemd=systemd,
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way of not serving: how it is recognised, its name, and what to do."""

    pattern: str
    name: str
    remedy: Callable[[Address], str]


def _set_in(address: Address) -> str:
    return f"in [database] url in {address.settings_file}"


def _start(address: Address) -> str:
    if address.is_local:
        return f"Start it: {address.call('start')}"
    return f"Start the server on {address.host}, or mend host and port {_set_in(address)}."


def _make(address: Address) -> str:
    if address.service == "postgresql":
        return f"Make it and its tables: createdb -O {address.user} {address.name} && smart-cron db migrate"
    words = f"CREATE DATABASE `{address.name}` CHARACTER SET utf8mb4"
    return f"Make it and its tables: mariadb -e '{words}' && smart-cron db migrate"


# The first that fits. The numbers are MySQL's and MariaDB's own.
REFUSALS: Final = (
    Refusal(
        r"\b1045\b|password authentication failed|no password supplied|\brole \".*\" does not exist|\b1698\b",
        "the server refuses user or password",
        lambda address: f"Mend user and password {_set_in(address)}; try them by hand: {address.client}",
    ),
    Refusal(
        r"\b1044\b|permission denied for database",
        "the user may not use this database",
        lambda address: (
            f"Grant it: mariadb -e 'GRANT ALL ON `{address.name}`.* TO {address.user}@localhost'"
            if address.service == "mariadb"
            else f"Grant it: psql -c 'GRANT ALL ON DATABASE {address.name} TO {address.user}'"
        ),
    ),
    Refusal(r"\b1049\b|database \".*\" does not exist", "the server has no such database", _make),
    Refusal(
        r"\b(1040|1203|1226)\b|too many (clients|connections)|remaining connection slots",
        "the server takes no more connections",
        lambda address: (
            "End idle clients or raise max_connections; who is there tells: "
            + ("psql -c 'TABLE pg_stat_activity'" if address.service == "postgresql" else "mariadb-admin processlist")
        ),
    ),
    Refusal(
        r"\b2026\b|SSL|TLS|certificate",
        "no TLS connection comes about",
        lambda address: f"Mend the certificate of the server, or ssl_ca or sslmode {_set_in(address)}.",
    ),
    Refusal(
        r"Name or service not known|name resolution|could not translate host name|No address associated",
        "the server's name is not known",
        lambda address: f"Mend the host '{address.host}' {_set_in(address)}, or the machine's name service.",
    ),
    Refusal(
        r"timed out|timeout|did not answer|\b2013\b|\b2006\b",
        "the server does not answer",
        lambda address: (
            f"It may be stopped, overloaded or cut off; look, and restart it: {address.call('status')}"
            if address.is_local
            else f"It may be stopped, overloaded or cut off: look at {address.host} and at the network between."
        ),
    ),
    Refusal(r"Connection refused|No such file or directory|Can't connect", "no server listens there", _start),
    Refusal(
        r"disk is full|No space left|\b1021\b|\b1114\b|disk I/O",
        "the database has no room left on its disk",
        lambda _: "Make room on the database's disk; results wait in run files meanwhile and none is lost.",
    ),
    Refusal(
        r"read-?only|\b1290\b|\b1036\b",
        "the database cannot be written",
        lambda address: (
            "Let it be written again: "
            + (f"chown of {address.name}" if not address.service else "SET GLOBAL read_only = 0")
        ),
    ),
    Refusal(
        r"malformed|not a database",
        "the database file is damaged",
        lambda address: f"Put a backup in the place of {address.name}, then: smart-cron recover",
    ),
    Refusal(
        r"unable to open database file",
        "the database file cannot be opened",
        lambda address: f"Let its owner be the service user's: ls -la {address.name}",
    ),
    Refusal(
        r"database is locked",
        "another process holds the database",
        lambda address: f"See who: fuser -v {address.name}",
    ),
)


def refusal_of(message: str) -> Refusal | None:
    """Return which way of not serving the words tell of, or None."""
    return next((refusal for refusal in REFUSALS if re.search(refusal.pattern, message, re.IGNORECASE)), None)
