"""The API against its own description: whatever is sent, nothing breaks, and refusals are problem details."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from tests.web.api_callers import Caller, make_key
from tests.web.conftest import ANSWER_SECONDS, Dashboard
from tests.web.visitors import ROLES, add_users

pytestmark = pytest.mark.slow
FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def keys(dashboard: Dashboard) -> Mapping[str, str]:
    add_users(dashboard)
    return {role: make_key(dashboard.house, role, role) for role in ROLES}


def test_nothing_that_is_sent_breaks_it(dashboard: Dashboard, keys: Mapping[str, str]) -> None:
    found = schemathesis.openapi.from_dict(Caller(dashboard, keys["viewer"]).get("/openapi.json"))
    found.config.update(base_url=f"http://127.0.0.1:{dashboard.port}")
    operations = [each.ok() for each in found.get_all_operations()]

    assert len(operations) > 20
    for operation in operations:
        FEW(given(case=operation.as_strategy())(lambda case: _try(case, keys)))()


def _try(case: schemathesis.Case, keys: Mapping[str, str]) -> None:
    for key in keys.values():
        answer = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=ANSWER_SECONDS)
        case.validate_response(answer, checks=[not_a_server_error])
        assert answer.status_code < 400 or answer.headers["content-type"] == ["application/problem+json"], case.path
