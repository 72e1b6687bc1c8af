"""SECURITY 42: a database that is to be reached by TLS is reached by nothing less, and by nobody else's certificate."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from tests.servers import MariaDb, PostgreSql, Server

from smart_cron.core.errors import DatabaseError
from smart_cron.store.gateway import open_store

pytestmark = pytest.mark.slow
ALIAS = "security_42"


@dataclass(frozen=True)
class Papers:
    """Files of two authorities, of which the first signed for `localhost` and for `elsewhere.example`."""

    folder: Path

    def path(self, name: str) -> str:
        return str(self.folder / name)


class Listening:
    """A server that takes TCP connections on loopback, with a certificate or without TLS."""

    def __init__(self, kind: type[MariaDb | PostgreSql], papers: Papers, certificate: str | None) -> None:
        self.port = free_port()
        self.kind = kind
        self.server = (_mariadb if kind is MariaDb else _postgresql)(self.port, papers, certificate)
        self.server.create()
        self.server.start()
        self.server.run_sql(
            "CREATE USER cron@'127.0.0.1' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO cron@'127.0.0.1'; FLUSH PRIVILEGES;"
            if kind is MariaDb
            else "CREATE ROLE cron LOGIN SUPERUSER"
        )

    def url(self, authority: str) -> str:
        authority = quote(authority, safe="")
        if self.kind is MariaDb:
            return f"mariadb://cron:x@localhost:{self.port}/mysql?ssl_ca={authority}"
        return f"postgresql://cron:x@localhost:{self.port}/postgres?sslrootcert={authority}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _mariadb(port: int, papers: Papers, certificate: str | None) -> Server:
    tls = (
        [f"--ssl-cert={papers.path(certificate + '.pem')}", f"--ssl-key={papers.path(certificate + '.key')}"]
        if certificate
        else []
    )

    class Tcp(MariaDb):
        def command(self) -> list[str]:
            command = [part for part in super().command() if part != "--skip-networking"]
            return [*command, "--bind-address=127.0.0.1", f"--port={port}", *tls]

    return Tcp()


def _postgresql(port: int, papers: Papers, certificate: str | None) -> Server:
    class Tcp(PostgreSql):
        def __init__(self) -> None:
            super().__init__()
            self.port = port

        def create(self) -> None:
            super().create()
            if certificate:
                # The key must be the server's own, and for it alone.
                for end in (".pem", ".key"):
                    target = self.folder / f"server{end}"
                    shutil.copy(papers.path(certificate + end), target)
                    target.chmod(0o600)
                    if self.user:
                        shutil.chown(target, self.user)

        def command(self) -> list[str]:
            settings = ["listen_addresses=localhost"]
            if certificate:
                files = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key"}
                settings += ["ssl=on", *(f"{name}={self.folder / file}" for name, file in files.items())]
            return [*super().command(), *(part for setting in settings for part in ("-c", setting))]

    return Tcp()


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("papers")
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    stranger.cert_pem.write_to_path(str(folder / "stranger.pem"))
    for name, host in (("own", "localhost"), ("other", "elsewhere.example")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
    # The servers are other users.
    for path in (folder, *folder.parents):
        if path.is_relative_to("/tmp") and path != Path("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    for path in folder.iterdir():
        path.chmod(0o644)
    return Papers(folder)


def listening(kind: type[MariaDb | PostgreSql], papers: Papers, certificate: str | None) -> Iterator[Listening]:
    database = Listening(kind, papers, certificate)
    try:
        yield database
    finally:
        database.server.stop()
        shutil.rmtree(database.server.folder, ignore_errors=True)


@pytest.fixture(scope="module", params=[MariaDb, PostgreSql], ids=["mariadb", "postgresql"])
def kind(request: pytest.FixtureRequest) -> type[MariaDb | PostgreSql]:
    found: type[MariaDb | PostgreSql] = request.param
    return found


@pytest.fixture(scope="module")
def with_own_name(kind: type[MariaDb | PostgreSql], papers: Papers) -> Iterator[Listening]:
    yield from listening(kind, papers, "own")


@pytest.fixture(scope="module")
def with_other_name(kind: type[MariaDb | PostgreSql], papers: Papers) -> Iterator[Listening]:
    yield from listening(kind, papers, "other")


@pytest.fixture(scope="module")
def without_tls(kind: type[MariaDb | PostgreSql], papers: Papers) -> Iterator[Listening]:
    yield from listening(kind, papers, None)


def cipher(database: Listening, authority: str) -> str:
    """Return the cipher of a connection that trusts this authority alone."""
    store = open_store(database.url(authority), alias=ALIAS, timeout_seconds=10)
    asked = (
        "SHOW SESSION STATUS LIKE 'Ssl_cipher'"
        if database.kind is MariaDb
        else "SELECT 1, COALESCE(cipher, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    )
    try:
        row = store.session.row(asked)
    finally:
        store.database.close()
    assert row is not None
    return str(row[1])


def test_a_server_that_proves_its_name_is_talked_to_in_secret(with_own_name: Listening, papers: Papers) -> None:
    assert cipher(with_own_name, papers.path("authority.pem"))


def test_a_certificate_of_a_stranger_is_not_accepted(with_own_name: Listening, papers: Papers) -> None:
    with pytest.raises(DatabaseError, match=r"(?i)certificate"):
        cipher(with_own_name, papers.path("stranger.pem"))


def test_a_certificate_for_another_name_is_not_accepted(with_other_name: Listening, papers: Papers) -> None:
    with pytest.raises(DatabaseError, match=r"(?i)certificate|host name"):
        cipher(with_other_name, papers.path("authority.pem"))


def test_a_server_without_tls_is_not_talked_to(without_tls: Listening, papers: Papers) -> None:
    with pytest.raises(DatabaseError, match=r"(?i)SSL"):
        cipher(without_tls, papers.path("authority.pem"))
