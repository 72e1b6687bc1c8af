"""Messages to send, and certificates for the servers that take them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notify.sinks import Certificates, certificates

from smart_cron.core.alert import Severity
from smart_cron.core.message import Message, MessageKind


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return certificates(folder)


@pytest.fixture
def message() -> Message:
    return Message(
        kind=MessageKind.ALERT,
        severity=Severity.ERROR,
        subject="[web-1] Task nightly failed: Exit code 3",
        text="Task nightly failed: Exit code 3\n",
        html="<p>Task nightly failed: Exit code 3</p>",
        facts={"alerts": [{"id": 12}], "count": 1},
    )
