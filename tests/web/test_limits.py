"""Which addresses are one client."""

from __future__ import annotations

import pytest

from smart_cron.faces.web.limits import neighbourhood


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 200, "x" * 64),
    ],
)
def test_one_client_is_one_name_whichever_of_its_addresses_it_uses(address: str, who: str) -> None:
    assert neighbourhood(address) == who
