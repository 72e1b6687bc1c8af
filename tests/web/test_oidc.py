"""Login by OpenID Connect, against a provider in a process of its own."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests import warm
from tests.web.axe import LOOKS, broken
from tests.web.conftest import Answer, Dashboard, House, housed, served
from tests.web.oidc_provider import CLIENT, SECRET, Provider, provider
from tests.web.visitors import Visitor, add_users, chromium, watched

from smart_cron.config.oidc import OidcConfig
from smart_cron.faces.web.oidc.provider import Provider as Client

pytestmark = pytest.mark.slow
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "s-ada": {"preferred_username": "ada", "groups": ["cron-editors", "team-eu"]},
    "s-bob": {"preferred_username": "bob", "groups": ["cron-viewers"]},
    "s-eve": {"preferred_username": "eve", "groups": ["cooks"]},
    # Has chosen the name of somebody here.
    "s-mallory": {"preferred_username": "admin", "email": "admin@example.org", "groups": ["cron-admins"]},
    "s-local": {"preferred_username": "somebody", "groups": ["cron-operators"]},
}
ROLES = {"cron-admins": "admin", "cron-editors": "editor", "cron-viewers": "viewer", "cron-operators": "operator"}


def settings_of(there: Provider, folder: Path, **others: str) -> dict[str, str]:
    secret = folder / "client.secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    given = {
        "ISSUER": there.issuer,
        "CLIENT_ID": CLIENT,
        "CLIENT_SECRET_FILE": str(secret),
        "LABEL": "Example Login",
        "MAKES_USERS": "true",
        "ROLES": json.dumps(ROLES),
        "TASK_GROUPS": json.dumps({"team-eu": ["eu", "-"], "cron-admins": ["*"], "cron-operators": ["*"]}),
        **others,
    }
    return {f"WEB__OIDC__{name}": value for name, value in given.items()}


@pytest.fixture(scope="module")
def there() -> Iterator[Provider]:
    with provider() as found:
        yield found


@pytest.fixture(autouse=True)
def as_always(there: Provider) -> None:
    there.set(people=PEOPLE, twist={}, key_id="first")


@pytest.fixture(scope="module")
def serving(there: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("home")
    with housed(folder, **settings_of(there, tmp_path_factory.mktemp("secret"))) as house:
        dashboard = served(house)
        add_users(dashboard, ["admin", "viewer"])
        yield dashboard


def sent(visitor: Visitor, path: str = "/login/oidc", **fields: str) -> str:
    """Begin; return the address at the provider."""
    visitor.get("/login")
    answer = visitor.post(path, **fields)
    found = re.search(rb'url=([^"]+)"', answer.body)
    assert found, (answer.status, answer.body[:2000])
    return html.unescape(found[1].decode())


def there_and_back(visitor: Visitor, there: Provider, who: str, **fields: str) -> Answer:
    answer = visitor.get(path_of(there.log_in(sent(visitor, **fields), who)))
    # A login makes another token.
    visitor.get("/account")
    return answer


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def refused(visitor: Visitor, answer: Answer) -> str:
    """Return what the login page says to somebody who did not get in."""
    assert (answer.status, answer.headers["location"]) == (302, "/login")
    page = visitor.get("/login").body.decode()
    assert visitor.get("/").status == 302, "is in"
    found = re.search(r'alert-danger" role="alert">([^<]+)', page)
    assert found, page
    return html.unescape(found[1])


def user(house: House, name: str) -> dict[str, Any]:
    return next((row for row in json.loads(house.sure("user", "list", "--json")) if row["name"] == name), {})


def last_audit(house: House, action: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(house.sure("audit", "list", "--action", action, "--json"))
    return rows[0]


def test_somebody_unknown_is_made_with_the_role_and_the_groups_that_theirs_are_mapped_to(
    serving: Dashboard, there: Provider
) -> None:
    visitor = Visitor(serving)

    answer = there_and_back(visitor, there, "s-ada")

    assert (answer.status, answer.headers["location"]) == (302, "/")
    assert visitor.get("/").status == 200
    made = user(serving.house, "ada")
    assert (made["role"], made["groups"]) == ("editor", ["", "eu"])
    assert "OpenID Connect" in str(last_audit(serving.house, "log in")["new_values"])
    assert visitor.get("/account/password").status == 302


def test_what_is_asked_has_pkce_state_and_nonce_and_no_secret(serving: Dashboard) -> None:
    asked = parse_qs(urlsplit(sent(Visitor(serving))).query)
    again = parse_qs(urlsplit(sent(Visitor(serving))).query)

    assert asked["code_challenge_method"] == ["S256"]
    assert asked["response_type"] == ["code"]
    assert asked["redirect_uri"] == [f"http://127.0.0.1:{serving.port}/login/oidc/back"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name][0]) >= 43, name
        assert asked[name] != again[name]
    assert SECRET not in str(asked)


def test_a_role_that_changed_there_counts_at_the_next_login(serving: Dashboard, there: Provider) -> None:
    there_and_back(Visitor(serving), there, "s-bob")
    assert user(serving.house, "bob")["role"] == "viewer"
    there.set(people={"s-bob": {"preferred_username": "robert", "groups": ["cron-editors", "cron-viewers"]}})

    there_and_back(Visitor(serving), there, "s-bob")

    assert user(serving.house, "bob")["role"] == "editor"
    assert user(serving.house, "robert") == {}


def test_who_is_in_none_of_the_groups_is_not_let_in(serving: Dashboard, there: Provider) -> None:
    visitor = Visitor(serving)

    assert "has a role here" in refused(visitor, there_and_back(visitor, there, "s-eve"))
    assert user(serving.house, "eve") == {}


def test_the_name_of_somebody_here_opens_nobodys_account(serving: Dashboard, there: Provider) -> None:
    visitor = Visitor(serving)

    assert "tie the two" in refused(visitor, there_and_back(visitor, there, "s-mallory"))
    there.set(people={"s-mallory": {**PEOPLE["s-mallory"], "preferred_username": "ADMIN"}})
    assert "tie the two" in refused(visitor, there_and_back(visitor, there, "s-mallory"))


@pytest.mark.parametrize(
    "twist",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"iss": "http://127.0.0.1:1"}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": [CLIENT, "another"]}},
        {"claims": {"azp": "another"}},
        {"claims": {"exp": 1}},
        {"claims": {"iat": 4_000_000_000}},
        {"claims": {"sub": ""}},
        {"claims": {"sub": 7}},
        {"stranger": True},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
    ],
    ids=str,
)
def test_a_token_that_proves_nothing_lets_nobody_in(
    serving: Dashboard, there: Provider, twist: dict[str, object]
) -> None:
    there.set(twist=twist)
    visitor = Visitor(serving)

    assert "proves nothing" in refused(visitor, there_and_back(visitor, there, "s-ada"))
    assert "OpenID Connect" in str(last_audit(serving.house, "log in failed")["new_values"])


def test_a_way_back_is_good_once_and_in_the_browser_that_began(serving: Dashboard, there: Provider) -> None:
    visitor, other = Visitor(serving), Visitor(serving)
    path = path_of(there.log_in(sent(visitor), "s-ada"))

    assert "did not begin in this browser" in refused(other, other.get(path))
    assert visitor.get(path).headers["location"] == "/"
    visitor.get("/account")
    visitor.post("/logout")
    assert "used before" in refused(visitor, visitor.get(path))


def test_a_state_that_was_answered_once_is_no_question_any_more(serving: Dashboard, there: Provider) -> None:
    """In the very session that asked: logging out would forget it, too."""
    visitor = Visitor(serving)
    path = path_of(there.log_in(sent(visitor), "s-ada"))
    state = parse_qs(urlsplit(path).query)["state"][0]

    assert "did not let you in" in refused(visitor, visitor.get(f"/login/oidc/back?error=access_denied&state={state}"))
    assert "used before" in refused(visitor, visitor.get(path))


def test_a_code_of_somebody_elses_login_is_worth_nothing(serving: Dashboard, there: Provider) -> None:
    """The provider gives no token for a code with another verifier."""
    visitor, other = Visitor(serving), Visitor(serving)
    stolen = parse_qs(urlsplit(there.log_in(sent(other), "s-ada")).query)["code"][0]
    own = parse_qs(urlsplit(sent(visitor)).query)["state"][0]

    assert "does not answer" in refused(visitor, visitor.get(f"/login/oidc/back?code={stolen}&state={own}"))


def test_another_issuers_answer_is_refused(serving: Dashboard, there: Provider) -> None:
    visitor = Visitor(serving)
    path = path_of(there.log_in(sent(visitor), "s-ada"))

    mixed = re.sub(r"iss=[^&]+", "iss=http%3A%2F%2Fevil.example", path)
    assert "not from Example Login" in refused(visitor, visitor.get(mixed))


def test_who_is_refused_there_is_told(serving: Dashboard) -> None:
    visitor = Visitor(serving)
    state = parse_qs(urlsplit(sent(visitor)).query)["state"][0]

    words = refused(visitor, visitor.get(f"/login/oidc/back?error=access_denied%3Cb%3E&state={state}"))

    assert words == "Example Login did not let you in."


def test_a_disabled_user_does_not_get_in(serving: Dashboard, there: Provider) -> None:
    there.set(people={"s-gone": {"preferred_username": "gone", "groups": ["cron-viewers"]}})
    visitor = Visitor(serving)
    there_and_back(visitor, there, "s-gone")
    serving.house.sure("user", "disable", "gone")
    assert visitor.get("/").status == 302

    again = Visitor(serving)
    assert "disabled" in refused(again, there_and_back(again, there, "s-gone"))


@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_led_to_another_host(serving: Dashboard, there: Provider, evil: str) -> None:
    assert there_and_back(Visitor(serving), there, "s-ada", next=evil).headers["location"] == "/"


def test_one_goes_on_where_one_was(serving: Dashboard, there: Provider) -> None:
    assert there_and_back(Visitor(serving), there, "s-ada", next="/tasks?q=a").headers["location"] == "/tasks?q=a"


def test_an_identity_is_tied_by_whoever_is_logged_in_here_and_untied(serving: Dashboard, there: Provider) -> None:
    add_users(serving, ["local"], role="operator")
    visitor = Visitor(serving)
    visitor.log_in("local")
    url = sent(visitor, "/account/oidc/link")
    assert parse_qs(urlsplit(url).query)["prompt"] == ["login"]
    assert visitor.get(path_of(there.log_in(url, "s-local"))).headers["location"] == "/account"
    assert b"s-local" in visitor.get("/account").body

    other = Visitor(serving)
    assert there_and_back(other, there, "s-local").headers["location"] == "/"
    assert b"local" in other.get("/account").body
    visitor.post("/account/oidc/unlink")
    again = Visitor(serving)
    there_and_back(again, there, "s-local")
    assert user(serving.house, "somebody")["role"] == "operator"


def test_an_identity_of_somebody_else_is_not_tied(serving: Dashboard, there: Provider) -> None:
    there_and_back(Visitor(serving), there, "s-ada")
    visitor = Visitor(serving)
    visitor.log_in("viewer")

    visitor.get(path_of(there.log_in(sent(visitor, "/account/oidc/link"), "s-ada")))

    assert b"belongs to another user" in visitor.get("/account").body


def test_the_console_ties_and_unties(serving: Dashboard, there: Provider) -> None:
    add_users(serving, ["tied"], role="operator")
    there.set(people={"s-tied": {"preferred_username": "whoever", "groups": ["cron-operators"]}})

    serving.house.sure("user", "link", "tied", "s-tied")
    visitor = Visitor(serving)
    there_and_back(visitor, there, "s-tied")

    assert b"tied" in visitor.get("/account").body
    assert b"1 identit" in serving.house.sure("user", "unlink", "tied")


def test_who_has_no_password_confirms_with_the_provider_and_what_they_asked_for_is_done(
    serving: Dashboard, there: Provider
) -> None:
    visitor = Visitor(serving)
    there_and_back(visitor, there, "s-ada")
    grow_stale(serving, "ada")
    asked = visitor.post("/settings/keys/add", label="mine", role="viewer", lives="30")
    assert asked.headers["location"].startswith("/account/fresh?")
    confirm = visitor.get(asked.headers["location"]).headers["location"]
    assert confirm.startswith("/account/oidc?")
    visitor.get(confirm)
    url = sent(visitor, "/account/oidc", next="/settings/keys/add")
    assert parse_qs(urlsplit(url).query)["max_age"] == ["0"]

    there.set(twist={"claims": {"auth_time": int(time.time()) - 3600}})
    visitor.get(path_of(there.log_in(url, "s-ada")))
    assert b"proves nothing" in visitor.get("/account").body
    there.set(twist={})
    visitor.get(confirm)
    done = visitor.get(path_of(there.log_in(sent(visitor, "/account/oidc", next="/settings/keys/add"), "s-ada")))
    assert b"sc_" in done.body


STALE = """
import sys
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from django.contrib.sessions.backends.db import SessionStore
from allauth.usersessions.models import UserSession
for row in UserSession.objects.filter(user__username=sys.argv[1]):
    session = SessionStore(row.session_key)
    for record in session.get("account_authentication_methods", []):
        record["at"] -= 3600
    session.modified = True
    session.save()
"""


def grow_stale(serving: Dashboard, name: str) -> None:
    """Let the logins of a user be an hour old."""
    done = warm.run([sys.executable, "-c", STALE, name], env=serving.house.environment)
    assert done.returncode == 0, done.stderr


def test_a_key_that_the_provider_has_renewed_is_asked_for(there: Provider) -> None:
    now = [0.0]
    client = Client(OidcConfig(issuer=there.issuer, client_id=CLIENT), clock=lambda: now[0])
    assert client.key("first")["kid"] == "first"
    there.set(key_id="second")
    now[0] = 40.0
    assert client.key("second")["kid"] == "second"


@pytest.fixture
def alone(there: Provider, tmp_path: Path) -> Iterator[House]:
    """A house of its own settings, made by the test."""
    with housed(tmp_path / "home") as house:
        house.settings.update(settings_of(there, tmp_path))
        yield house


def test_a_second_factor_is_demanded_here_unless_the_provider_is_trusted_with_it(alone: House, there: Provider) -> None:
    alone.settings["WEB__REQUIRE_SECOND_FACTOR"] = "true"
    alone.settings["WEB__OIDC__SECOND_FACTOR_AMR"] = '["mfa"]'
    dashboard = served(alone)
    people = {"s-ada": {**PEOPLE["s-ada"], "amr": ["pwd", "mfa"]}, "s-bob": {**PEOPLE["s-bob"], "amr": ["pwd"]}}
    there.set(people=people)
    ada, bob = Visitor(dashboard), Visitor(dashboard)

    there_and_back(ada, there, "s-ada")
    there_and_back(bob, there, "s-bob")

    assert ada.get("/").status == 200
    assert bob.get("/").headers["location"] == "/account"
    assert bob.get("/account/totp").status == 200


def test_an_unverified_address_of_mail_is_no_name(alone: House, there: Provider) -> None:
    alone.settings["WEB__OIDC__NAME_CLAIM"] = "email"
    dashboard = served(alone)
    add_users(dashboard, ["admin@example.org"], role="admin")
    mail = {"email": "admin@example.org", "groups": ["cron-admins"]}
    for verified, says in ((False, "not verified"), ("true", "not verified"), (True, "tie the two")):
        there.set(people={"s-mallory": {**mail, "email_verified": verified}})
        visitor = Visitor(dashboard)
        assert says in refused(visitor, there_and_back(visitor, there, "s-mallory"))


def test_unknown_people_are_not_made_unless_the_settings_say_so(alone: House, there: Provider) -> None:
    alone.settings["WEB__OIDC__MAKES_USERS"] = "false"
    visitor = Visitor(served(alone))

    assert "no user here" in refused(visitor, there_and_back(visitor, there, "s-ada"))


def test_while_the_provider_is_away_passwords_work(alone: House, there: Provider) -> None:
    """Neither one that refuses, nor one that takes the call and says nothing, keeps anybody out."""
    alone.settings["WEB__OIDC__TIMEOUT_SECONDS"] = "1"
    with provider() as gone:
        alone.settings["WEB__OIDC__ISSUER"] = gone.issuer
        dashboard = served(alone)
        add_users(dashboard, ["admin"])
        os.kill(gone.process.pid, signal.SIGSTOP)
        hung = Visitor(dashboard)
        hung.get("/login")
        assert "Example Login does not answer" in refused(hung, hung.post("/login/oidc"))
    down = Visitor(dashboard)
    down.get("/login")
    assert "Who has a password here can use it" in refused(down, down.post("/login/oidc"))
    down.log_in("admin")
    assert down.get("/").status == 200


def test_a_provider_of_another_name_is_none(alone: House, there: Provider) -> None:
    there.set(twist={"issuer": "https://evil.example"})
    visitor = Visitor(served(alone))
    visitor.get("/login")

    assert "does not answer" in refused(visitor, visitor.post("/login/oidc"))


def test_without_an_issuer_nothing_of_it_is_there(tmp_path: Path) -> None:
    with housed(tmp_path) as house:
        visitor = Visitor(served(house))
        page = visitor.get("/login")
        answers = [visitor.post("/login/oidc").status, visitor.get("/login/oidc/back?state=x&code=y").status]

    assert (b"/login/oidc" in page.body, answers) == (False, [404, 404])


def test_the_clients_secret_stands_in_no_page_log_process_or_export(serving: Dashboard, there: Provider) -> None:
    there_and_back(Visitor(serving), there, "s-ada")
    admin = Visitor(serving)
    admin.log_in("admin")
    canary = SECRET.encode()

    assert b"oidc" in admin.get("/settings").body
    pid = serving.process.pid
    kept = [admin.get("/settings").body, serving.house.sure("config", "show")]
    kept += [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    kept += [path.read_bytes() for path in (serving.house.home / "log").rglob("*") if path.is_file()]
    assert all(canary not in text for text in kept)


def test_a_real_browser_logs_in_with_the_button(serving: Dashboard, there: Provider) -> None:
    with chromium() as browser:
        seen = watched(browser.new_context(), serving)
        page = seen.go("/login")
        page.get_by_role("button", name="Log in with Example Login").click()
        page.get_by_role("button", name="s-ada").click()
        page.wait_for_url(f"{seen.url}/")
        assert page.get_by_role("heading", level=1).is_visible()

    assert [fault for fault in seen.faults if not fault.startswith(there.issuer)] == []


@pytest.mark.parametrize("look", LOOKS)
def test_its_pages_break_no_rule_and_scroll_nowhere(serving: Dashboard, there: Provider, look: dict[str, Any]) -> None:
    with chromium() as browser, browser.new_context(**look) as context:
        seen = watched(context, serving)
        page = seen.go("/login")
        found = broken(page)
        page.get_by_role("button", name="Log in with Example Login").click()
        page.get_by_role("button", name="s-ada").click()
        page.wait_for_url(f"{seen.url}/")
        # As it is before it goes on by itself.
        context.route(f"{there.issuer}/**", lambda route: route.abort())
        page.goto(f"{seen.url}/account/oidc?next=/settings/keys/add")
        found += broken(page)
        found += broken(seen.go("/account"))

    assert found == []
