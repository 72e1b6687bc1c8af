"""Behind a real nginx with TLS, below a path of its own: the block is the one that the documentation prints."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import expect
from tests.process.cli import wait_until
from tests.web.conftest import ANSWER_SECONDS, Answer, Dashboard, housed, served
from tests.web.visitors import PASSWORD, WIDE, Visitor, add_users, chromium

pytestmark = pytest.mark.slow
PREFIX = "/modules/smart-cron/dashboard"
DOCS = Path(__file__).parents[2] / "docs" / "web.md"
CONF = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost;
    ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    {block}
  }}
}}
"""


def printed_block() -> str:
    """Return the block of the documentation for nginx."""
    found = re.search(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert found
    return found[1]


@dataclass
class Proxied(Dashboard):
    """Asked through nginx, over TLS."""

    trusted: ssl.SSLContext | None = None

    def ask(self, path: str, method: str = "GET", *, body: bytes | None = None, headers: object = None) -> Answer:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=ANSWER_SECONDS, context=self.trusted)
        with closing(connection):
            connection.request(method, path, body=body, headers=dict(headers or {}))  # type: ignore[call-overload]
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            cookies = tuple(value for name, value in response.getheaders() if name.lower() == "set-cookie")
            return Answer(response.status, found, response.read(), cookies)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder, authority = tmp_path_factory.mktemp("nginx"), trustme.CA()
    settings = {"WEB__PATH_PREFIX": PREFIX, "WEB__ALLOWED_HOSTS": '["localhost"]'}
    with housed(tmp_path_factory.mktemp("home"), **settings) as house:
        inner = served(house, "--behind-proxy")
        add_users(inner, ["admin"])
        port = _free_port()
        certificate = authority.issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        block = printed_block().replace("127.0.0.1:8765", f"127.0.0.1:{inner.port}")
        (folder / "nginx.conf").write_text(CONF.format(folder=folder, port=port, block=block))
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)
        nginx = subprocess.Popen([str(shutil.which("nginx") or "/usr/sbin/nginx"), "-c", str(folder / "nginx.conf")])
        try:
            wait_until(lambda: _listens(port) or nginx.poll() is not None, "nginx")
            assert nginx.poll() is None, (folder / "error.log").read_text()
            yield Proxied(house, inner.process, port, is_secure=True, trusted=trusted)
        finally:
            nginx.terminate()
            nginx.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_cookies_are_bound_to_the_path_and_to_tls(proxied: Proxied) -> None:
    visitor = Visitor(proxied, prefix=PREFIX)

    answer = visitor.log_in("admin")

    assert answer.headers["location"] == f"{PREFIX}/"
    for line in answer.cookie_lines:
        assert line.startswith("__Secure-")
        assert f"Path={PREFIX}/;" in line
        assert "Secure" in line
        assert "HttpOnly" in line
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert visitor.get("/").status == 200


def test_every_link_of_a_page_stays_below_the_path(proxied: Proxied) -> None:
    visitor = Visitor(proxied, prefix=PREFIX)
    visitor.log_in("admin")

    linked = re.findall(rb'(?:href|src|action|sse-connect|hx-get|hx-post)="([^"#]+)', visitor.get("/").body)

    assert linked
    assert [link for link in linked if not link.startswith((PREFIX.encode(), b"?"))] == []


def test_a_client_cannot_choose_its_address(proxied: Proxied) -> None:
    visitor = Visitor(proxied, prefix=PREFIX)
    visitor.get("/login")

    visitor.post("/login", {"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7"}, login="admin", password="wrong")

    assert b"10.9.8.7" not in proxied.house.sure("audit", "list", "--json")


def test_a_browser_logs_in_and_a_stream_comes_through(proxied: Proxied) -> None:
    with chromium() as browser, browser.new_context(viewport=WIDE, ignore_https_errors=True) as context:  # type: ignore[arg-type]
        page, faults = context.new_page(), []
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(f"https://localhost:{proxied.port}{PREFIX}/login")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        with page.expect_response(lambda answer: "/stream/home" in answer.url) as streamed:
            page.get_by_role("button", name="Log in", exact=True).click()

        expect(page.get_by_role("heading", name="Home")).to_be_visible()
        assert streamed.value.status == 200
        assert faults == []
