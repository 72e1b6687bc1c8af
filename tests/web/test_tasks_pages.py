"""The pages of tasks: who sees what, who may change what, and what is said where somebody may not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.web.conftest import Dashboard, housed, served
from tests.web.furniture import HOSTILE, bind, furnish, opened
from tests.web.task_forms import BY_ADMIN, add_by_form, fields_in, form_of, script
from tests.web.visitors import ROLES, Visitor, add_users

from smart_cron.core.task import Task
from smart_cron.faces.web.task_key import key_of

pytestmark = pytest.mark.slow
KNOWN: dict[tuple[int, str], Visitor] = {}
PATHS = ("/tasks/orders", "/tasks/nothing")
PAGES = ("", "/statistics", "/slots", "/why", "/revisions")


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    allowed = '["hooks.slack.com", "hc.example"]'
    with housed(tmp_path_factory.mktemp("home"), WEBHOOK_ALLOWED_HOSTS=allowed) as house:
        yield served(house)


@pytest.fixture(scope="module")
def furnished(dashboard: Dashboard) -> Dashboard:
    add_users(dashboard)
    bind(dashboard, "clerk", ["office"])
    bind(dashboard, "author", ["office"], role="editor")
    with opened(dashboard) as store:
        furnish(store)
    return dashboard


def visitor_of(dashboard: Dashboard, name: str) -> Visitor:
    """Return who is logged in; once each, since logins from an address are counted."""
    if (dashboard.port, name) not in KNOWN:
        visitor = KNOWN[dashboard.port, name] = Visitor(dashboard)
        visitor.log_in(name)
    return KNOWN[dashboard.port, name]


def task_of(dashboard: Dashboard, name: str) -> Task:
    with opened(dashboard) as store:
        return store.tasks.get(name)


# Seeing -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_the_list_and_each_page_of_a_task(furnished: Dashboard, role: str) -> None:
    visitor = visitor_of(furnished, role)

    assert "invoices" in visitor.get("/tasks").body.decode()
    for page in PAGES:
        assert visitor.get(f"/tasks/invoices{page}").status == 200, page


def test_a_task_of_another_group_is_nowhere(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "author")

    assert "orders" not in visitor.get("/tasks").body.decode()
    for page in (*PAGES, "/edit"):
        assert visitor.get(f"/tasks/orders{page}").status == 404, page
    for action, fields in (
        ("switch", {"to": "off"}),
        ("run", {"once": "x"}),
        ("held", {"wish": "all"}),
        ("delete", {"name": "orders"}),
        ("rollback", {"revision": "1", "read": "1"}),
        ("edit", form_of(visitor, "/tasks/invoices/edit")),
    ):
        assert visitor.post(f"/tasks/orders/{action}", **fields).status == 404, action
    assert visitor.get("/tasks/new?like=orders").status == 404
    assert task_of(furnished, "orders").definition.enabled


def test_a_stream_of_a_task_of_another_group_does_not_begin(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "author")

    assert visitor.get("/stream/task?task=orders").status == 404
    assert visitor.get("/stream/tasks?sort=odd").status == 404


def test_what_does_not_exist_looks_as_what_is_none_of_theirs(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "clerk")

    theirs, nothing = (re.sub(rb'value="\w{64}"|CSRFToken": "\w+"', b"", visitor.get(path).body) for path in PATHS)
    assert theirs == nothing


@pytest.mark.parametrize("key", ["nothing", "~", "~!", "1", "~AA", "%00", "..%2f..%2fetc", "a" * 300])
def test_odd_keys_are_not_found(furnished: Dashboard, key: str) -> None:
    assert visitor_of(furnished, "admin").get(f"/tasks/{key}").status in (404, 400)


def test_a_name_that_fits_no_address_has_a_page_and_is_shown_as_text(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "admin")
    listed = visitor.get("/tasks").body.decode()

    assert HOSTILE not in listed
    assert "&lt;img src=x onerror=alert(1)&gt;" in listed
    for page in (*PAGES, "/edit"):
        answer = visitor.get(f"/tasks/{key_of(HOSTILE)}{page}")
        assert answer.status == 200, page
        assert HOSTILE.encode() not in answer.body
        assert b"<script>alert" not in answer.body


@pytest.mark.parametrize(
    "query",
    [
        "state=odd",
        "sort=id;drop",
        "sort=--name",
        "page=0",
        "page=1e3",
        "page=-1",
        "q=" + "x" * 300,
        "nothing=1",
        "state=enabled&state=disabled",
        "page=99999999999999999999",
    ],
)
def test_filters_that_nobody_knows_are_refused_in_words(furnished: Dashboard, query: str) -> None:
    answer = visitor_of(furnished, "viewer").get(f"/tasks?{query}")

    assert answer.status == 400
    assert b"field" in answer.body or b"order" in answer.body


def test_filters_and_orders_stand_in_the_address(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "viewer")
    office = visitor.get("/tasks?group=office&sort=-last").body.decode()

    assert "invoices" in office
    assert ">orders<" not in office
    assert ">orders<" in visitor.get("/tasks?q=RDER").body.decode()
    assert "No task is like that" in visitor.get("/tasks?q=%25").body.decode()
    assert ">invoices<" in visitor.get("/tasks?state=failing").body.decode()


def test_a_schedule_is_explained_while_it_is_typed(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "editor")
    told = visitor.get("/tasks/explain?schedule=30+2+*+*+*&time_zone=Europe%2FBerlin").body.decode()

    assert "At 02:30 every day" in told
    assert told.count("<li>") == 10
    assert "clocks in Europe/Berlin go" in told
    assert "minute" in visitor.get("/tasks/explain?schedule=99+*+*+*+*&time_zone=").body.decode()
    assert "zone" in visitor.get("/tasks/explain?schedule=@daily&time_zone=Nowhere").body.decode()
    assert visitor.get("/tasks/explain?schedule=" + "1," * 500).status == 400


# Changing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "path", "fields", "status"),
    [
        ("viewer", "/tasks/invoices/switch", {"to": "off"}, 403),
        ("viewer", "/tasks/invoices/run", {"once": "x"}, 403),
        ("viewer", "/tasks/bulk", {"action": "disable", "once": "x"}, 403),
        ("operator", "/tasks/new", {}, 403),
        ("operator", "/tasks/invoices/edit", {}, 403),
        ("operator", "/tasks/invoices/delete", {"name": "invoices"}, 403),
        ("operator", "/tasks/invoices/rollback", {"revision": "1", "read": "1"}, 403),
        ("operator", "/tasks/invoices/run", {"once": "x", "own": "on", "arguments": "-c"}, 400),
        ("operator", "/tasks/invoices/switch", {"to": "sideways"}, 400),
        ("operator", "/tasks/invoices/switch", {}, 400),
        ("operator", "/tasks/invoices/held", {"wish": "x"}, 400),
        ("operator", "/tasks/bulk", {"action": "remove", "once": "x"}, 400),
        ("operator", "/tasks/bulk", {"action": "disable", "once": "x", "task": "1 OR 1"}, 400),
        ("operator", "/tasks/bulk", {"action": "disable", "once": "x", "task": "999999"}, 404),
        ("editor", "/tasks/invoices/run", {"once": ""}, 400),
    ],
)
def test_who_may_not_is_refused_and_nothing_changes(
    furnished: Dashboard, role: str, path: str, fields: dict[str, str], status: int
) -> None:
    visitor = visitor_of(furnished, role)
    before = task_of(furnished, "invoices")

    assert visitor.post(path, **fields).status == status
    assert task_of(furnished, "invoices") == before


def test_changes_by_a_link_are_not_possible(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "admin")

    for page in ("switch", "run", "held", "delete", "rollback"):
        assert visitor.get(f"/tasks/invoices/{page}").status == 405


def test_an_operator_switches_one_or_several_and_the_audit_knows_who(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "operator")
    numbers = [str(task_of(furnished, name).id) for name in ("invoices", "orders")]

    assert visitor.post("/tasks/invoices/switch", to="off").status == 302
    assert not task_of(furnished, "invoices").definition.enabled
    for number in numbers:
        answer = visitor.post("/tasks/bulk", action="enable", once="x", task=number, back="group=office")
        assert answer.headers["location"] == "/tasks?group=office"
    assert task_of(furnished, "invoices").definition.enabled
    listed = json.loads(furnished.house.sure("audit", "list", "--task", "invoices", "--json"))
    entry = next(each for each in listed if each["action"] == "disable")
    assert (entry["actor"], entry["source"], entry["ip_address"]) == ("operator", "page", "127.0.0.1")


def test_of_several_of_which_one_is_none_of_theirs_nothing_is_done(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "author")
    with opened(furnished) as store:
        numbers = [store.tasks.get(name).id for name in ("invoices", "orders")]
    body = "&".join(["action=disable", "once=x", *(f"task={number}" for number in numbers)])
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": visitor.token}
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    answer = furnished.ask("/tasks/bulk", "POST", body=body.encode(), headers={**form, "Cookie": cookie})

    assert answer.status == 404
    assert task_of(furnished, "invoices").definition.enabled


def test_an_editor_adds_a_task_and_changes_it(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "editor")

    assert add_by_form(visitor, "mine", script(furnished), description="first") == 302
    assert task_of(furnished, "mine").definition.description == "first"
    fields = form_of(visitor, "/tasks/mine/edit")
    assert BY_ADMIN.isdisjoint(fields)
    changed = {**fields, "timeout": "5m", "limits-memory_mb": "512", "arguments": "--month\r\n2026-11", "group": "shop"}
    assert visitor.post("/tasks/mine/edit", **changed).status == 302
    definition = task_of(furnished, "mine").definition
    assert definition.timeout.total_seconds() == 300
    assert definition.limits.memory_mb == 512
    assert definition.arguments == ("--month", "2026-11")
    assert (definition.group, definition.enabled) == ("shop", True)


def test_a_form_that_is_sent_untouched_changes_nothing(furnished: Dashboard) -> None:
    furnished.house.sure(
        "task", "add", "rich", "--script", script(furnished), "--schedule", "*/7 * * * *", "--zone", "Europe/Berlin",
        "--arg", "a b", "--arg", "", "--stdin", "one\ntwo", "--env", "API_TOKEN=secret", "--env", "MODE=x",
        "--timeout", "90s", "--start-deadline", "1h", "--success-exit-codes", "0,3", "--on-overlap", "queue",
        "--alert-slack-webhook", "https://hooks.slack.com/services/T/B/x", "--ping-url", "https://hc.example/x",
        "--memory-mb", "64", "--nice", "5", "--umask", "027", "--anomaly-tolerance", "2.5", "--priority", "2",
    )  # fmt: skip
    before = task_of(furnished, "rich").definition
    for role in ("editor", "admin"):
        visitor = visitor_of(furnished, role)
        assert visitor.post("/tasks/rich/edit", **form_of(visitor, "/tasks/rich/edit")).status == 302
        assert task_of(furnished, "rich").definition == before
    assert "Nothing differs" in visitor.get("/tasks/rich").body.decode()


def test_secrets_are_in_no_page_and_stay_as_they_are(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "admin")
    furnished.house.sure(
        "task", "add", "secretive", "--script", script(furnished), "--schedule", "@daily", "--env", "API_TOKEN=canary1",
        "--alert-slack-webhook", "https://hooks.slack.com/services/canary2", "--ping-url", "https://hc.example/canary3",
    )  # fmt: skip
    fields = form_of(visitor, "/tasks/secretive/edit")
    assert fields["environment"] == "API_TOKEN=***"
    changed = {**fields, "environment": "API_TOKEN=***\nMORE=1", "ping_url": "none"}
    assert visitor.post("/tasks/secretive/edit", **changed).status == 302
    definition = task_of(furnished, "secretive").definition

    assert definition.environment == {"API_TOKEN": "canary1", "MORE": "1"}
    assert definition.alert_slack_webhook == "https://hooks.slack.com/services/canary2"
    assert definition.ping_url is None
    for page in (*PAGES, "/edit", "/revisions?from=1&to=2"):
        assert b"canary" not in visitor.get(f"/tasks/secretive{page}").body, page


def test_all_faults_are_told_at_once_and_nothing_typed_is_lost(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "admin")
    fields = form_of(visitor, "/tasks/new")
    typed = {
        **fields, "name": "bad name", "script": "/nowhere/at/all.sh", "schedule": "61 * * * *", "timeout": "soon",
        "description": "kept <b>", "priority": "11", "environment": "LD_PRELOAD=x", "run_as": "nobody-at-all",
    }  # fmt: skip
    answer = visitor.post("/tasks/new", **typed)
    page = answer.body.decode()

    assert answer.status == 400
    for word in (
        "must be 1 to 100 of the letters",
        "length of time",
        "priority must be 1 to 10",
        "LD_*",
        "no user",
        "61",
    ):
        assert word in page, word
    assert {name: value for name, value in fields_in(page).items() if value} == {
        name: value for name, value in typed.items() if value
    }


def test_two_editors_of_the_same_task_do_not_overwrite_each_other_unseen(furnished: Dashboard) -> None:
    first, second = visitor_of(furnished, "editor"), visitor_of(furnished, "admin")
    add_by_form(first, "shared", script(furnished))
    mine, theirs = form_of(first, "/tasks/shared/edit"), form_of(second, "/tasks/shared/edit")
    assert first.post("/tasks/shared/edit", **{**mine, "timeout": "7m", "description": "from the first"}).status == 302
    answer = second.post("/tasks/shared/edit", **{**theirs, "priority": "2"})
    page = answer.body.decode()

    assert answer.status == 409
    assert "editor saved this task while you edited it" in page
    assert "from the first" in page
    assert task_of(furnished, "shared").definition.priority == 5
    again = fields_in(page)
    assert again["priority"] == "2"
    assert second.post("/tasks/shared/edit", **again).status == 302
    assert task_of(furnished, "shared").definition.priority == 2


def test_a_name_that_is_taken_is_told_on_the_field(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "editor")
    path = script(furnished)
    add_by_form(visitor, "taken", path)
    answer = visitor.post(
        "/tasks/new", **{**form_of(visitor, "/tasks/new"), "name": "taken", "script": path, "schedule": "@daily"}
    )

    assert answer.status == 400
    assert "a task &#x27;taken&#x27; exists already" in answer.body.decode()


def test_an_editor_of_some_groups_cannot_put_a_task_out_of_them(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "author")
    fields = form_of(visitor, "/tasks/new")

    assert fields["group"] == "office"
    assert add_by_form(visitor, "ours", script(furnished), group="shop") == 400
    assert add_by_form(visitor, "ours", script(furnished), group="") == 400
    assert add_by_form(visitor, "ours", script(furnished)) == 302


def test_a_clone_has_everything_but_what_admins_set(furnished: Dashboard) -> None:
    furnished.house.sure(
        "task", "add", "model", "--script", script(furnished), "--schedule", "@daily", "--timeout", "5m",
        "--env", "MODE=x", "--ping-url", "https://hc.example/x",
    )  # fmt: skip
    editor, admin = visitor_of(furnished, "editor"), visitor_of(furnished, "admin")
    for visitor, name in ((editor, "clone1"), (admin, "clone2")):
        fields = form_of(visitor, "/tasks/new?like=model")
        assert fields["name"] == ""
        assert visitor.post("/tasks/new", **{**fields, "name": name}).status == 302
    first, second = task_of(furnished, "clone1").definition, task_of(furnished, "clone2").definition

    assert (first.timeout.total_seconds(), first.environment, first.ping_url) == (300, {}, "https://hc.example/x")
    assert second.environment == {"MODE": "x"}


def test_a_task_is_deleted_only_with_its_name_typed(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "editor")
    add_by_form(visitor, "short-lived", script(furnished))

    visitor.post("/tasks/short-lived/delete", name="short")
    assert "not its name" in visitor.get("/tasks/short-lived").body.decode()
    assert visitor.post("/tasks/short-lived/delete", name="short-lived").headers["location"] == "/tasks"
    assert visitor.get("/tasks/short-lived").status == 404


def test_a_built_in_task_stays(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "admin")
    visitor.post("/tasks/smart_cron_health/delete", name="smart_cron_health")

    assert "built-in task stays" in visitor.get("/tasks/smart_cron_health").body.decode()


def test_a_rollback_brings_a_definition_back_and_not_what_only_admins_set(furnished: Dashboard) -> None:
    editor, admin = visitor_of(furnished, "editor"), visitor_of(furnished, "admin")
    add_by_form(admin, "changing", script(furnished), description="one", environment="MODE=x")
    fields = form_of(admin, "/tasks/changing/edit")
    admin.post("/tasks/changing/edit", **{**fields, "description": "two"})
    assert editor.post("/tasks/changing/rollback", revision="1", read="2").status == 302
    assert task_of(furnished, "changing").definition.description == "one"
    fields = form_of(admin, "/tasks/changing/edit")
    admin.post("/tasks/changing/edit", **{**fields, "environment": "MODE=y"})
    editor.post("/tasks/changing/rollback", revision="2", read="4")

    assert "only admins may set" in editor.get("/tasks/changing/revisions").body.decode()
    assert task_of(furnished, "changing").definition.environment == {"MODE": "y"}
    editor.post("/tasks/changing/rollback", revision="3", read="3")
    assert "stays as it is" in editor.get("/tasks/changing/revisions").body.decode()
    assert editor.get("/tasks/changing/revisions?from=1&to=99").status == 404


def test_held_slots_are_run_or_dropped(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "operator")
    with opened(furnished) as store:
        task = store.tasks.get("invoices")
        for hour in ("01", "02", "03"):
            store.session.execute(
                """INSERT INTO smart_cron_skipped_slots (task_id, task_name, first_slot, last_slot, slot_count, outcome,
                 reason, schedule_pattern, time_zone)
                 VALUES (%s, 'invoices', %s, %s, 1, 'held', 'away', '0 * * * *', 'UTC')""",
                [task.id, *[f"2026-01-05 {hour}:00:00.000000"] * 2],
            )
    assert b"Slots that wait for a person" in visitor.get("/tasks/invoices").body
    assert ">invoices<" in visitor.get("/tasks?state=held").body.decode()
    visitor.post("/tasks/invoices/held", wish="newest")
    assert "1 slot will run." in visitor.get("/tasks/invoices").body.decode()
    visitor.post("/tasks/invoices/held", wish="drop")
    assert "2 slots will not run." in visitor.get("/tasks/invoices").body.decode()


def test_why_answers_in_the_console_s_sentences_and_tells_what_it_cannot_read(furnished: Dashboard) -> None:
    visitor = visitor_of(furnished, "viewer")
    answer = visitor.get("/tasks/orders/why?at=2026-01-05+03%3A30")

    assert "2026-01-05 03:30" in answer.body.decode()
    assert visitor.get("/tasks/orders/why?at=soon").status == 400
    assert b"no point in time" in visitor.get("/tasks/orders/why?at=soon").body
    assert visitor.get("/tasks/orders/why?at=9999-01-01").status == 400
