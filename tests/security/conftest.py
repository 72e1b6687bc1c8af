"""One furnished dashboard for all checks that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.security.ground import Ground, furnished_ground


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Whoever changes something in it makes one of their own."""
    most = str(1_000_000)
    with furnished_ground(
        tmp_path_factory.mktemp("ground"),
        WEB__API_CALLS_PER_MINUTE=most,
        WEB__API_CALLS_PER_MINUTE_AND_ADDRESS=most,
        WEB__RUNS_PER_MINUTE="100000",
        WEB__SEARCHES_PER_MINUTE="100000",
    ) as found:
        yield found
