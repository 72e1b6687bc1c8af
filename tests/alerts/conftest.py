"""Homes whose masters mail to a real server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.engine.conftest import Home, MakeHome, make_home
from tests.notify.sinks import Mailbox, mail_server

__all__ = ["make_home"]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server that takes everything."""
    with mail_server(Mailbox()) as box:
        yield box


@pytest.fixture
def home(make_home: MakeHome, box: Mailbox) -> Home:
    """A home on SQLite whose alerts go to the box."""
    return make_home(**mail_settings(box.port))


def mail_settings(port: int) -> dict[str, str]:
    """Return the settings of a mail server on loopback."""
    return {
        "SMART_CRON_ALERT_EMAIL": "ops@example.com",
        "SMART_CRON_SMTP__HOST": "127.0.0.1",
        "SMART_CRON_SMTP__PORT": str(port),
        "SMART_CRON_SMTP__SENDER": "smart-cron@example.com",
    }
