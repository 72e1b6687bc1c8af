"""Jobs elsewhere report over HTTP; SECURITY 11 for the address that the rate limit goes by."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.process.cli import wait_until
from tests.servers import MariaDb
from tests.web.conftest import Dashboard, House, served

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_each_method_reports(dashboard: Dashboard, method: str) -> None:
    path = dashboard.add_check(f"by-{method}")

    answer = dashboard.ask(path, method)

    assert answer.status == 200
    assert answer.body == (b"" if method == "HEAD" else b"ok\n")
    assert dashboard.check(f"by-{method}")["state"] == "up"


def test_start_end_failure_and_exit_codes_are_told_apart(dashboard: Dashboard) -> None:
    path = dashboard.add_check("signals")
    seen = []
    for signal in ("/start", "", "/fail", "/0", "/255", "/start"):
        assert dashboard.ask(path + signal).status == 200
        check = dashboard.check("signals")
        seen.append((check["state"], check["last_exit_code"]))

    assert seen == [("started", None), ("up", 0), ("failed", None), ("up", 0), ("failed", 255), ("started", 255)]
    assert dashboard.check("signals")["pings"] == 6


def test_of_a_long_body_the_end_is_kept_and_made_harmless(dashboard: Dashboard) -> None:
    path = dashboard.add_check("words")

    answer = dashboard.ask(path + "/1", "POST", body=b"x" * 900_000 + b"\x1b[31m<b>disk full</b>\x00")

    assert answer.status == 200
    words = dashboard.check("words")["last_words"]
    assert len(words) == 1000
    assert words.endswith("x<b>disk full</b>\ufffd")


def test_the_key_is_shown_once_and_stands_nowhere(dashboard: Dashboard) -> None:
    path = dashboard.add_check("secret")
    key = path.removeprefix("/ping/")
    dashboard.ask(path)
    dashboard.ask(path + "/nonsense")

    state = dashboard.house.home / "state"
    kept = b"".join(each.read_bytes() for each in state.glob("smart-cron.db*")) + dashboard.house.log()
    assert key.encode() not in kept
    assert key.encode() not in dashboard.house.sure("ping", "show", "secret") + dashboard.house.sure("ping", "list")


def test_a_rotated_key_takes_over(dashboard: Dashboard) -> None:
    path = dashboard.add_check("rotated")
    printed = dashboard.house.sure("ping", "rotate", "rotated", "--yes").decode()

    assert dashboard.ask(path).status == 404
    assert dashboard.ask(next(word for word in printed.split() if "/ping/" in word).partition("8765")[2]).status == 200


def test_too_many_pings_of_one_key_are_told_to_wait(make_house: Callable[..., House]) -> None:
    limited = served(make_house(WEB__PINGS_PER_MINUTE="3"))
    path, other = limited.add_check("one"), limited.add_check("two")

    statuses = [limited.ask(path).status for _ in range(3)]

    assert statuses == [200, 200, 200]
    refused = limited.ask(path)
    # On a slow machine a minute's third may have passed meanwhile.
    assert refused.status in (429, 200)
    many = [limited.ask(path) for _ in range(12)]
    assert 429 in [answer.status for answer in many]
    assert int(next(answer for answer in many if answer.status == 429).headers["retry-after"]) >= 1
    assert limited.ask(other).status == 200


def statuses_by_address(dashboard: Dashboard) -> set[int]:
    path = dashboard.add_check("elsewhere")
    forged = [{"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": f"198.51.100.{number}"} for number in range(40)]
    return {dashboard.ask(path, headers=headers).status for headers in forged}


def test_a_forged_address_does_not_get_around_the_limit(make_house: Callable[..., House]) -> None:
    limited = served(make_house(WEB__PINGS_PER_MINUTE_AND_ADDRESS="2"))

    assert statuses_by_address(limited) == {200, 429}


def test_behind_a_trusted_proxy_each_client_has_a_limit_of_its_own(make_house: Callable[..., House]) -> None:
    limited = served(make_house(WEB__PINGS_PER_MINUTE_AND_ADDRESS="2"), "--behind-proxy")

    assert statuses_by_address(limited) == {200}


def test_a_proxy_that_is_not_trusted_is_not_believed(make_house: Callable[..., House]) -> None:
    limited = served(
        make_house(WEB__PINGS_PER_MINUTE_AND_ADDRESS="2", WEB__TRUSTED_PROXIES='["192.0.2.7"]'), "--behind-proxy"
    )

    assert statuses_by_address(limited) == {200, 429}


def test_while_the_database_is_away_whoever_asks_is_told_to_ask_again(make_house: Callable[..., House]) -> None:
    with MariaDb() as server:
        dashboard = served(make_house(DATABASE__URL=server.create_database("smart_cron")))
        path = dashboard.add_check("patient")
        assert dashboard.ask("/readyz").status == 200
        server.freeze()

        refused = dashboard.ask(path)

        # The last answer is kept for a moment.
        for word in ("/readyz", "/healthz"):
            wait_until(lambda word=word: dashboard.ask(word).body == b"unavailable\n", word)  # type: ignore[misc]
        server.thaw()
        assert refused.status == 503
        assert int(refused.headers["retry-after"]) >= 1
        wait_until(lambda: dashboard.ask("/readyz").status == 200, "a database that serves again")
        wait_until(lambda: dashboard.ask(path).status == 200, "a ping that is taken")
        assert dashboard.check("patient")["state"] == "up"
