"""How often a master looks for what SQL changed, without a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.scripted import RecordingLog

from smart_cron.core.revision import Noticed
from smart_cron.services.audit import LONGEST_SECONDS, SHARE, AuditWatch


class Slow:
    """Both stores; a look at the definitions takes so many seconds of its own clock."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds, self.looks = 1_000.0, seconds, 0

    def notice(self) -> Noticed:
        self.looks += 1
        self.now += self.seconds
        return Noticed()

    def notice_alerts(self) -> int:
        return 0

    def notice_others(self) -> int:
        return 0

    def head(self) -> None:
        return None


@pytest.mark.parametrize(("seconds", "pause"), [(0.001, 2.0), (0.5, 1_000.0), (60.0, LONGEST_SECONDS)])
def test_the_longer_a_look_takes_the_more_seldom_it_is(tmp_path: Path, seconds: float, pause: float) -> None:
    assert SHARE == 2_000
    stores: Any = Slow(seconds)
    watch = AuditWatch(
        audit=stores, revisions=stores, state_dir=tmp_path, node="one", settings={}, log=RecordingLog(),
        clock=lambda: float(stores.now),
    )  # fmt: skip
    watch.look()

    stores.now += pause - 0.5
    watch.look()
    assert stores.looks == 1
    stores.now += 1
    watch.look()
    assert stores.looks == 2
