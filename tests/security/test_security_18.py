"""SECURITY 18: what takes JSON takes nothing that a form of a page elsewhere can send."""

from __future__ import annotations

import pytest
from tests.security.ground import Ground
from tests.web.api_callers import Caller, make_key

pytestmark = pytest.mark.slow
FORMS = {
    "text/plain": b'{"priority": 1, "reason": "x", "x": "="}',
    "text/plain; charset=utf-8": b'{"priority": 1}',
    "application/x-www-form-urlencoded": b"priority=1&reason=x",
    "multipart/form-data; boundary=x": b'--x\r\nContent-Disposition: form-data; name="reason"\r\n\r\nx\r\n--x--\r\n',
    "text/json": b'{"priority": 1}',
    "": b'{"priority": 1}',
}


@pytest.mark.parametrize("kind", FORMS)
def test_every_operation_with_a_body_refuses_what_is_not_called_json(ground: Ground, kind: str) -> None:
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))
    before = ground.tables("smart_cron_api_keys")
    taking = [each for each in ground.everything.operations if each.has_body]
    assert len(taking) >= 8

    for each in taking:
        path = each.address(ground.values).removeprefix("/api/v1")
        caller.fails(415, each.method, path, FORMS[kind], Content_Type=kind)

    assert ground.tables("smart_cron_api_keys") == before


def test_the_same_as_json_is_read(ground: Ground) -> None:
    """So that the refusals above are none of something else."""
    caller = Caller(ground.dashboard, make_key(ground.dashboard.house, "admin", "admin"))

    assert caller.ask("PATCH", "/tasks/printer", b'{"priority": 4}').status == 200
    assert (
        caller.ask("PATCH", "/tasks/printer", b'{"priority": 5}', Content_Type="application/json; charset=utf-8").status
        == 200
    )
