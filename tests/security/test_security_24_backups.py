"""SECURITY 23, 24: a backup is sent by its id to an admin with a fresh login, and no file besides.

With it what the page of backups does for whom.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from tests.process.cli import wait_until
from tests.web.conftest import Dashboard, housed, served
from tests.web.furniture import bind, opened, visitor
from tests.web.visitors import PASSWORD, Visitor, add_users

from smart_cron.core.audit import AuditFilter

pytestmark = pytest.mark.slow
PATHS = (
    "..%2f..%2fstate%2fweb.key", "%2e%2e", "backup-20260101-000000.sql.gz", "latest.sql.gz", "%2fetc%2fpasswd",
    "0123456789abcdef", "0123456789abcdef%00", "-rf", "*",
)  # fmt: skip


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    with housed(tmp_path_factory.mktemp("home")) as house:
        found = served(house)
        add_users(found)
        bind(found, "clerk", ["office"], role="admin")
        yield found


def link(dashboard: Dashboard) -> str:
    page = visitor(dashboard, "admin").get("/backups").body.decode()
    found = re.search(r"/backups/[0-9a-f]{16}/download", page)
    assert found, page
    return found[0]


def test_an_admin_takes_it_as_an_attachment_after_a_form(dashboard: Dashboard) -> None:
    admin, path = visitor(dashboard, "admin"), link(dashboard)

    admin.get("/account/fresh")
    admin.post("/account/fresh", password=PASSWORD)
    assert b"It holds everything" in admin.get(path).body
    answer = admin.post(path)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/gzip"
    assert re.fullmatch(r'attachment; filename="backup-\d{8}-\d{6}\.sql\.gz"', answer.headers["content-disposition"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"smart_cron_tasks_config" in gzip.decompress(answer.body)
    with opened(dashboard) as store:
        (entry,) = store.audit.entries(AuditFilter(action="download"))
        assert (entry.actor, entry.entity_type) == ("admin", "backup")


@pytest.mark.parametrize("name", ["viewer", "operator", "editor"])
def test_nobody_else_downloads_takes_or_proves_one(dashboard: Dashboard, name: str) -> None:
    path, who = link(dashboard), visitor(dashboard, name)

    assert b"download" not in who.get("/backups").body
    verify = path.replace("download", "verify")
    for answer in (who.get(path), who.post(path), who.post("/backups/create"), who.post(verify)):
        assert answer.status == 403


def test_an_admin_of_some_groups_finds_no_backup_at_all(dashboard: Dashboard) -> None:
    path, clerk = link(dashboard), visitor(dashboard, "clerk")

    for answer in (clerk.get("/backups"), clerk.get(path), clerk.post(path), clerk.post("/backups/create")):
        assert answer.status == 404


def test_a_login_alone_is_not_enough(dashboard: Dashboard) -> None:
    path, admin = link(dashboard), Visitor(dashboard)
    admin.log_in("admin")

    assert admin.get(path).headers["location"].startswith("/account/fresh")
    answer = admin.post(path)
    assert (answer.status, answer.headers["location"]) == (302, path)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_and_no_name_is_an_id(dashboard: Dashboard, path: str) -> None:
    admin = visitor(dashboard, "admin")

    for address in (f"/backups/{path}/download", f"/backups/{path}/verify"):
        assert admin.post(address).status in (400, 404)


@pytest.mark.parametrize(
    "fields",
    [{"kind": "x"}, {"label": "x" * 101}, {"label": "two\nlines"}, {"file": "/etc/passwd"}, {"reason": "daily"}],
)
def test_odd_fields_take_no_backup(dashboard: Dashboard, fields: dict[str, str]) -> None:
    assert visitor(dashboard, "admin").post("/backups/create", None, **fields).status == 400


def test_one_is_taken_with_its_label_and_proven_and_the_audit_log_tells_of_it(dashboard: Dashboard) -> None:
    admin = visitor(dashboard, "admin")

    assert admin.post("/backups/create", kind="full", label="--before <b>move</b>").status == 302

    page = wait_until(lambda: _proven(admin), "the backup")
    assert "--before &lt;b&gt;move&lt;/b&gt;" in page
    with opened(dashboard) as store:
        (entry,) = store.audit.entries(AuditFilter(action="create", user="admin"))
        assert entry.entity_type == "backup"


def _proven(admin: Visitor) -> str | None:
    page = admin.get("/backups").body.decode()
    return page if "is verified: restored for a trial" in page else None
