"""Keys for the API and what is done once, in a process of its own since both need Django's login."""

from __future__ import annotations

import sys

import pytest
from tests import warm
from tests.web.conftest import House, housed

pytestmark = pytest.mark.slow

BEGIN = """
from datetime import timedelta
from smart_cron.config import load_config
from smart_cron.core.people import Role
from smart_cron.faces.web.settings import open_web_store
store = open_web_store(load_config())
from smart_cron.store.people.keys import KeyBook
from smart_cron.store.people.models import User
from smart_cron.store.people.once import KeyReusedError, Once
keys, once, user = KeyBook(store.session, store.audit), Once(store.session), User.objects.get(username="olga")
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    with housed(tmp_path_factory.mktemp("home")) as made:
        made.sure_with("correct horse battery\n", "user", "add", "olga", "--role", "operator")
        return made


def run(house: House, code: str) -> str:
    done = warm.run([sys.executable, "-c", BEGIN + code], env=house.environment, cwd="/")
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_a_key_is_its_users_with_the_lesser_of_both_roles(house: House) -> None:
    assert (
        run(
            house,
            """
key = keys.make(user.pk, label="ci", role=Role.ADMIN, expires_at=None, actor="test")
found = keys.person_of(key)
print(found.name, found.role, keys.keys()[0].prefix == key[:11], key in repr(keys.keys()))""",
        )
        == "olga operator True False"
    )


def test_a_wrong_an_expired_and_a_revoked_key_are_nobodys(house: House) -> None:
    assert run(
        house,
        """
def make(**terms): return keys.make(user.pk, label="a", role=Role.VIEWER, actor="test", **{"expires_at": None, **terms})
past = store.database.now() - timedelta(seconds=1)
good, over, revoked = make(), make(expires_at=past), make()
keys.revoke(keys.keys()[0].id, user_id=user.pk, actor="test")
print([keys.person_of(key) and "somebody" for key in (good, good + "x", over, revoked, "", "sc_", "\\udcff")])""",
    ) == ("['somebody', None, None, None, None, None, None]")


def test_what_is_asked_twice_under_one_key_is_done_once(house: House) -> None:
    assert (
        run(
            house,
            """
done = []
def act(): done.append(1); return 7
print(once.do(user.pk, "k", "run a", act), once.do(user.pk, "k", "run a", act), once.do(user.pk + 1, "k", "run a", act))
try: once.do(user.pk, "k", "run b", act)
except KeyReusedError as error: print(len(done))""",
        )
        == "(7, True) (7, False) (7, True)\n2"
    )
