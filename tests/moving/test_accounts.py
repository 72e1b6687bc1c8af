"""Who may log in moves with the database, in every direction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.web.conftest import Dashboard, House, served
from tests.web.visitors import PASSWORD
from tests.web.well_known import make_well_known

pytestmark = pytest.mark.slow
EmptyDatabase = Callable[[str, str], str]


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    house = House(home)
    try:
        yield house
    finally:
        house.close()


def ended(dashboard: Dashboard) -> None:
    dashboard.process.terminate()
    dashboard.process.wait(30)


def test_people_get_in_with_what_they_had_wherever_the_database_moves(
    house: House, empty_database: EmptyDatabase, tmp_path: Path
) -> None:
    dashboard = served(house)
    known = [make_well_known(dashboard, f"ada{number}") for number in range(3)]
    ended(dashboard)
    urls = [empty_database("mariadb", "people"), empty_database("postgresql", "people"), f"sqlite://{tmp_path}/n.db"]

    for who, url in zip(known, urls, strict=True):
        looked = json.loads(house.sure("db", "move", "--to", url, "--dry-run", "--json"))
        moved = json.loads(house.sure("db", "move", "--to", url, "--json"))
        house.settings["DATABASE__URL"] = url

        tables = {table["table"]: table["rows"] for table in moved["tables"]}
        assert (tables["smart_cron_api_keys"], tables["mfa_authenticator"]) == (3, 6)
        assert looked["rows"] <= moved["rows"]
        dashboard = served(house)
        who.gets_in(dashboard)
        # Numbers go on where they were, whoever gave them out.
        house.sure_with(f"{PASSWORD}\n", "user", "add", f"{who.name}-next", "--role", "viewer")
        ended(dashboard)


def test_a_database_in_which_somebody_may_log_in_is_not_moved_into(house: House, empty_database: EmptyDatabase) -> None:
    url = empty_database("postgresql", "theirs")
    house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin")
    house.settings["DATABASE__URL"] = url
    house.sure("init")
    house.sure_with(f"{PASSWORD}\n", "user", "add", "eve", "--role", "admin")
    del house.settings["DATABASE__URL"]

    refused = house.call("db", "move", "--to", url)

    assert refused.returncode == 1
    assert b"the new database holds" in refused.stderr
