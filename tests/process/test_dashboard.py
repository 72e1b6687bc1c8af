"""`smart-cron dashboard` as a process: how it starts, where it listens, how it ends."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest
from tests.process.cli import wait_until
from tests.servers import MariaDb
from tests.web.conftest import Dashboard, House, make_house, served

__all__ = ["make_house"]

pytestmark = pytest.mark.slow


def ended(dashboard: Dashboard, number: signal.Signals) -> int:
    dashboard.process.send_signal(number)
    return dashboard.process.wait(60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_by_a_signal_in_order_although_clients_hold_on(
    make_house: Callable[..., House], number: signal.Signals
) -> None:
    dashboard = served(make_house())
    with socket.create_connection(("127.0.0.1", dashboard.port), timeout=60) as idle:
        idle.sendall(b"POST /ping/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")

        assert ended(dashboard, number) == 0

    assert b"Dashboard ended" in dashboard.house.log()


def test_it_ends_although_the_database_hangs(make_house: Callable[..., House]) -> None:
    with MariaDb() as server:
        dashboard = served(make_house(DATABASE__URL=server.create_database("smart_cron")))
        path = dashboard.add_check("hangs")
        server.freeze()
        with socket.create_connection(("127.0.0.1", dashboard.port), timeout=60) as asking:
            asking.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

            assert ended(dashboard, signal.SIGTERM) == 0


def test_it_starts_before_its_database_and_serves_as_soon_as_that_does(make_house: Callable[..., House]) -> None:
    with MariaDb() as server:
        house = make_house(DATABASE__URL=server.create_database("smart_cron"))
        server.stop()
        dashboard = served(house)
        assert dashboard.ask("/readyz").status == 503

        server.start()

        wait_until(lambda: dashboard.ask("/readyz").status == 200, "a database that serves")


def test_a_port_that_is_taken_is_told_with_a_way_out(make_house: Callable[..., House]) -> None:
    house = make_house()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = house.call("dashboard", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert b"cannot be listened on: Address already in use. Is another dashboard there already?" in done.stderr


def test_settings_alone_do_not_open_it_to_other_machines(make_house: Callable[..., House]) -> None:
    house = make_house(WEB__HOST="0.0.0.0")

    done = house.call("dashboard", "--port", "0")

    assert done.returncode == 1
    assert b"it is reached from other machines" in done.stderr
    assert b"--host 0.0.0.0" in done.stderr


def test_an_explicit_host_opens_it_and_says_what_that_means(make_house: Callable[..., House]) -> None:
    dashboard = served(make_house(), "--host", "0.0.0.0")

    assert dashboard.ask("/readyz").status == 200
    assert ended(dashboard, signal.SIGTERM) == 0
    assert dashboard.process.stderr is not None
    said = dashboard.process.stderr.read()
    assert b"can be read on the way" in said
    assert b"web.allowed_hosts" in said


@pytest.mark.parametrize("content", ["", "short", "change-me"])
def test_an_empty_or_example_secret_is_refused(make_house: Callable[..., House], content: str) -> None:
    house = make_house()
    path = house.home / "state" / "web.key"
    path.write_text(content)
    path.chmod(0o600)

    done = house.call("dashboard", "--port", "0")

    assert done.returncode == 1
    assert b"has fewer than 32 characters. Delete it; another is made." in done.stderr


def test_a_secret_that_others_can_read_is_refused(make_house: Callable[..., House]) -> None:
    house = make_house()
    path = house.home / "state" / "metrics.key"
    path.write_text("k" * 60)
    path.chmod(0o644)

    done = house.call("dashboard", "--port", "0")

    assert done.returncode == 1
    assert b"metrics.key is open to others" in done.stderr


def test_secrets_outlive_a_restart(make_house: Callable[..., House]) -> None:
    house = make_house()
    first = served(house)
    key = first.metrics_key
    assert ended(first, signal.SIGTERM) == 0

    assert served(house).metrics_key == key


def test_without_a_home_it_says_what_to_do(make_house: Callable[..., House]) -> None:
    house = make_house()
    house.home = house.home.with_name("nothing-here")

    done = house.call("dashboard", "--port", "0")

    assert done.returncode == 1
    assert b"smart-cron init" in done.stderr
