"""SECURITY 23: downloads are attachments of plain text with safe names. 24: no parameter is a path."""

from __future__ import annotations

import os

import pytest
from tests.web.conftest import Dashboard, dashboard
from tests.web.furniture import opened
from tests.web.printing import printed
from tests.web.visitors import Visitor, add_users

__all__ = ["dashboard"]
pytestmark = pytest.mark.slow
RUN: dict[str, int] = {}
PATHS = ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/etc/passwd", "%00", "x%00.log", "2026-11-28/../x", "*")


@pytest.fixture(scope="module")
def admin(dashboard: Dashboard) -> Visitor:
    add_users(dashboard, ["admin"])
    RUN["one"] = printed(dashboard, "one", b"\x00\xffprinted\n")
    visitor = Visitor(dashboard)
    visitor.log_in("admin")
    return visitor


def day_of(admin: Visitor) -> str:
    (path,) = (admin.dashboard.house.home / "log").glob("master-*.log")
    return path.name.removeprefix("master-").removesuffix(".log")


def test_downloads_are_attachments_of_plain_text_with_safe_names(admin: Visitor) -> None:
    day = day_of(admin)
    for path, name in (
        (f"/runs/{RUN['one']}/raw", f"run-{RUN['one']}-both.txt"),
        (f"/runs/{RUN['one']}/raw?stream=stderr", f"run-{RUN['one']}-stderr.txt"),
        (f"/logs/raw?kind=master&day={day}", f"smart-cron-master-{day}.log"),
    ):
        answer = admin.get(path)

        assert answer.status == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PATHS)
def test_what_is_like_a_path_is_refused_everywhere(admin: Visitor, path: str) -> None:
    day, run = day_of(admin), RUN["one"]
    for asked in (
        f"/logs?kind={path}",
        f"/logs?day={path}",
        f"/logs/raw?kind=master&day={path}",
        f"/logs/raw?kind={path}&day={day}",
        f"/logs/older?kind=master&day={path}&before=1",
        f"/logs/newer?kind=master&after={path}:1",
        f"/runs/{run}/raw?stream={path}",
        f"/runs/{run}/raw?path={path}",
        f"/runs/{run}/output?before={path}",
        f"/runs/{run}/output?line={path}",
        f"/runs/{path}/raw",
        f"/stream/output/{path}",
        f"/stream/log?kind={path}",
    ):
        answer = admin.get(asked)

        assert answer.status in (400, 404), asked
        assert b"root:" not in answer.body


def test_a_link_in_the_place_of_a_log_is_not_followed(admin: Visitor) -> None:
    secret = admin.dashboard.house.home / "secret"
    secret.write_text("root:secret\n")
    os.symlink(secret, admin.dashboard.house.home / "log" / "health-2020-01-01.log")

    for path in ("/logs?kind=health&day=2020-01-01", "/logs/raw?kind=health&day=2020-01-01"):
        assert b"root:secret" not in admin.get(path).body


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{home}/secret-output", "{home}/log/../secret-output", "{home}/log/link"]
)
def test_an_output_path_that_was_forged_in_the_database_opens_no_other_file(admin: Visitor, path: str) -> None:
    home = admin.dashboard.house.home
    (home / "secret-output").write_bytes(b"\x01\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00root:secret")
    link = home / "log" / "link"
    if not link.is_symlink():
        os.symlink(home / "secret-output", link)
    with opened(admin.dashboard) as store:
        store.session.execute(
            "UPDATE smart_cron_executions SET output_path = %s WHERE id = %s", [path.format(home=home), RUN["one"]]
        )

    for part in ("", "/output", "/raw"):
        assert b"root:" not in admin.get(f"/runs/{RUN['one']}{part}").body
