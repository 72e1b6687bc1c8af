"""SECURITY 19: no page elsewhere may read an answer, and none may listen to a stream."""

from __future__ import annotations

import pytest
from tests.security.ground import Ground

pytestmark = pytest.mark.slow
ELSEWHERE = ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example", "file://")


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_no_answer_lets_another_origin_read_it(ground: Ground, origin: str) -> None:
    admin, asked = ground.visitor("admin"), {"Origin": origin, "Access-Control-Request-Method": "POST"}

    for path in ground.everything.addresses(ground.values):
        for method in ("GET", "OPTIONS"):
            answer = ground.dashboard.ask(path, method, headers={**admin._headers(), **asked})
            assert not [name for name in answer.headers if name.startswith("access-control-")], (method, path)
            assert answer.headers.get("cross-origin-resource-policy") == "same-origin", path


@pytest.mark.parametrize(
    "headers",
    [*({"Origin": origin} for origin in ELSEWHERE), {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
    ids=str,
)
def test_no_stream_is_opened_from_a_page_elsewhere(ground: Ground, headers: dict[str, str]) -> None:
    admin = ground.visitor("admin")

    for name in (*ground.everything.streams, "output/1", "log"):
        assert admin.get(f"/stream/{name}", headers).status == 403, name


def test_there_is_no_websocket(ground: Ground) -> None:
    admin = ground.visitor("admin")
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "eA==",
    }

    for path in ("/", "/ws", "/health", "/api/v1/tasks"):
        answer = admin.get(path, {**upgrade, "Origin": "https://evil.example"})
        assert answer.status != 101
        assert "sec-websocket-accept" not in answer.headers
