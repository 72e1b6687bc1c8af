"""`master --once` in a crontab line, and no database: people hear of it, over several passes."""

from __future__ import annotations

import json
import os
import pwd
import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.alerts.test_courier import mail, text
from tests.engine.conftest import DEADLINE_SECONDS, Home
from tests.notify.sinks import Mailbox

pytestmark = pytest.mark.slow


@pytest.fixture
def away() -> Iterator[str]:
    """The URL of a server that is not there: its port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"mysql://smart_cron@127.0.0.1:{taken.getsockname()[1]}/smart_cron"


def passed(home: Home) -> int:
    return home.smart_cron("master", "--once").wait(DEADLINE_SECONDS * 3)


def test_passes_without_a_database_mail_once_and_its_end_once_more(home: Home, box: Mailbox, away: str) -> None:
    home.settings["SMART_CRON_DATABASE__URL"] = away
    assert passed(home) == 1
    noted = home.path / "state" / "alerts" / "database.json"
    outage = json.loads(noted.read_text())
    assert box.envelopes == []

    since = datetime.fromisoformat(outage["since"]) - timedelta(minutes=1)
    noted.write_text(json.dumps(outage | {"since": since.isoformat()}))
    assert [passed(home), passed(home)] == [1, 1]
    assert "starts no task" in text(mail(box))
    assert len(box.envelopes) == 1

    del home.settings["SMART_CRON_DATABASE__URL"]
    home.once()
    assert len(box.envelopes) == 2
    assert not noted.exists()
    lines = [json.loads(line) for line in home.log_text().splitlines()]
    said = [(line["level"], line["message"]) for line in lines if "atabase" in line["message"]]
    assert said == [
        ("CRITICAL", "Failed to connect to database"),
        *[("WARNING", "Pass found no database")] * 2,
        ("WARNING", "Database is back"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is somebody else in a home")
def test_root_in_another_user_s_home_follows_no_link_of_theirs(home: Home, away: str, tmp_path: Path) -> None:
    """SECURITY 36."""
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (home.path / "state" / "alerts").symlink_to(victim)
    other = pwd.getpwnam("nobody")
    for path in (home.path, *home.path.rglob("*")):
        os.chown(path, other.pw_uid, other.pw_gid, follow_symlinks=False)
    home.settings["SMART_CRON_DATABASE__URL"] = away

    assert passed(home) == 1

    assert (victim.stat().st_uid, list(victim.iterdir())) == (0, [])
