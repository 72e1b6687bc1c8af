"""Who may log in is in backups, on three real databases: they get in with what they had, and nobody gets in unasked."""

from __future__ import annotations

import gzip
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Server
from tests.web.api_callers import Caller
from tests.web.conftest import Dashboard, House, served
from tests.web.visitors import PASSWORD, Visitor
from tests.web.well_known import make_well_known, revoke_keys, run

pytestmark = pytest.mark.slow
MakeHome = Callable[[], House]


@pytest.fixture
def make_home(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeHome]:
    """Return what makes a home with a new database of this kind."""
    homes: list[House] = []

    def make() -> House:
        settings = {}
        if database != "sqlite":
            server: Server = request.getfixturevalue(database)
            server.drop_database(f"accounts{len(homes)}")
            settings["DATABASE__URL"] = server.create_database(f"accounts{len(homes)}")
        homes.append(House(tmp_path / f"home{len(homes)}", settings=settings))
        homes[-1].sure("init")
        return homes[-1]

    yield make
    for home in homes:
        home.close()


def taken(house: House, *words: str) -> str:
    """Take a backup that is proven; return its path."""
    found = json.loads(house.sure("backup", "create", "--json", *words))
    assert found["status"] == "verified", found["error"]
    return str(found["path"])


def restored(house: House, path: str, *words: str) -> Any:
    return json.loads(house.sure("backup", "restore", path, "--json", "--yes", *words))["accounts"]


def ended(dashboard: Dashboard) -> None:
    dashboard.process.terminate()
    dashboard.process.wait(30)


def test_nobody_is_called_like_another_but_for_capitals(make_home: MakeHome) -> None:
    home = make_home()
    home.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "viewer")

    for name in ("ADA", "Ada", "ada"):
        with pytest.raises(AssertionError, match=f"there is a user '{name}' already"):
            home.sure_with(f"{PASSWORD}\n", "user", "add", name, "--role", "viewer")
    home.sure_with(f"{PASSWORD}\n", "user", "add", "adam", "--role", "viewer")


def test_people_get_into_a_new_machine_with_what_they_had(make_home: MakeHome) -> None:
    old, new = make_home(), make_home()
    dashboard = served(old)
    ada = make_well_known(dashboard, "ada")
    path = taken(old)
    ended(dashboard)
    assert b"(1 user, 1 key)" in new.sure("backup", "restore", path, "--dry-run")
    assert b"verified" in new.sure("backup", "verify", path)

    done = restored(new, path)

    assert done["restored"]
    assert done["changes"][0] == "user 'ada' comes back, as admin"
    ada.gets_in(served(new))


def test_nobody_who_was_locked_out_since_gets_in_unless_that_is_asked_for(make_home: MakeHome) -> None:
    house = make_home()
    dashboard = served(house)
    ada = make_well_known(dashboard, "ada")
    house.sure_with(f"{PASSWORD}\n", "user", "add", "bob", "--role", "viewer")
    path = taken(house)
    house.sure("user", "disable", "bob")
    house.sure_with(f"{PASSWORD}\n", "user", "add", "eve", "--role", "viewer")
    revoke_keys(house)

    kept = restored(house, path)
    assert kept == {"held": True, "restored": False, "changes": []}
    assert Visitor(dashboard).log_in("bob").status == 200
    assert Caller(dashboard, ada.key).ask("GET", "/tasks").status == 401
    eve = Visitor(dashboard)
    assert eve.log_in("eve").status == 302

    told = house.sure("backup", "restore", path, "--dry-run", "--with-accounts").decode()
    done = restored(house, path, "--with-accounts")

    assert done["changes"][0] == "user 'bob' may log in again, who may not now"
    assert done["changes"][1].endswith("(test) of 'ada' counts again: it was revoked since")
    assert done["changes"][2:] == ["user 'eve' is gone: the backup does not know them"]
    assert all(sentence in told for sentence in done["changes"])
    assert Visitor(dashboard).log_in("bob").status == 302
    assert eve.get("/account").status == 302
    ada.gets_in(dashboard)
    rows = json.loads(house.sure("audit", "list", "--json"))
    (told_last, *_) = [row["new_values"] for row in rows if row["action"] == "restore"]
    assert told_last["accounts"] == done["changes"]


def test_a_backup_of_before_there_were_users_still_comes_back(make_home: MakeHome) -> None:
    house = make_home()
    path = taken(house)
    house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin")

    assert restored(house, path) == {"held": False, "restored": False, "changes": []}
    refused = house.call("backup", "restore", path, "--yes", "--with-accounts")

    assert refused.returncode == 1
    assert b"holds nobody who may log in" in refused.stderr
    assert [user["name"] for user in json.loads(house.sure("user", "list", "--json"))] == ["ada"]


def test_definitions_alone_hold_nobody(make_home: MakeHome) -> None:
    house = make_home()
    house.sure_with(f"{PASSWORD}\n", "user", "add", "ada", "--role", "admin")

    config, full = taken(house, "--config-only"), taken(house)

    assert b"ada" not in gzip.decompress(Path(config).read_bytes())
    assert b"argon2" in gzip.decompress(Path(full).read_bytes())
    assert not restored(house, full, "--config-only")["restored"]


def test_the_databases_own_client_brings_people_into_a_new_one(
    make_home: MakeHome, database: str, request: pytest.FixtureRequest
) -> None:
    house = make_home()
    dashboard = served(house)
    ada = make_well_known(dashboard, "ada")
    path = taken(house)
    ended(dashboard)

    subprocess.run(["/bin/sh", "-c", f"gunzip < {path} | {client(house, database, request)}"], check=True)

    ada.gets_in(served(house))


def client(house: House, database: str, request: pytest.FixtureRequest) -> str:
    """Empty the database of this home; return the command that restores into it."""
    if database == "sqlite":
        file = house.home / "state" / "smart-cron.db"
        for path in file.parent.glob("smart-cron.db*"):
            path.unlink()
        return shlex.join(["sqlite3", str(file)])
    server: Server = request.getfixturevalue(database)
    server.drop_database("accounts0")
    server.create_database("accounts0")
    if database == "mariadb":
        return shlex.join(["mariadb", "--no-defaults", f"--socket={server.folder / 's'}", "-uroot", "accounts0"])
    return shlex.join(["psql", "-X", "-q", "-h", str(server.folder), "-U", "postgres", "-d", "accounts0"])


REFERENCES = """
from smart_cron.config import load_config
from smart_cron.faces.web.settings import know_logins
know_logins(load_config())
from django.apps import apps
from smart_cron.core.backup import ACCOUNTS
from smart_cron.store.backups.accounts import REFERENCES, SESSIONS
known = set()
for model in apps.get_models():
    own = model._meta.db_table
    for field in model._meta.concrete_fields:
        if field.is_relation and (named := field.related_model._meta.db_table) in ACCOUNTS and own not in SESSIONS:
            assert REFERENCES[own] == (field.attname, named), own
            assert ACCOUNTS.index(named) < ACCOUNTS.index(own), own
            known.add(own)
    assert own in ACCOUNTS or model._meta.app_label not in ("smart_cron_people", "account", "mfa"), own
assert known == set(REFERENCES)
"""


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_table_that_refers_to_users_is_known_to_a_restore(make_home: MakeHome) -> None:
    run(make_home(), REFERENCES)
