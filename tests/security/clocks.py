"""A dashboard whose clock stands where a test puts it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from tests.web.conftest import Dashboard, House, served

# Only what judges sessions and codes: the rest of the process, its timers among it, goes by the machine's own.
STEERED = """
import pathlib, time, types
class _Steered(types.ModuleType):
    file = pathlib.Path({path!r})
    def __getattr__(self, name):
        return getattr(time, name)
    def time(self):
        return float(self.file.read_text()) if self.file.exists() else time.time()
from smart_cron.faces.web import application
_open = application.application
def _opened(premises):
    found = _open(premises)
    from allauth.account.internal.flows import login as flows
    from allauth.mfa.totp.internal import auth
    from smart_cron.faces.web import fresh, login_of, sessions
    for module in (fresh, login_of, sessions, auth, flows):
        module.time = _Steered("time")
    return found
application.application = _opened
"""


@dataclass
class Clock:
    """The clock of one dashboard: the machine's own until it is set, and then it stands."""

    path: Path
    at: float = 0.0

    def set(self, at: float) -> None:
        part = self.path.with_suffix(".part")
        part.write_text(repr(at))
        part.replace(self.path)
        self.at = at

    def pass_by(self, seconds: float) -> None:
        self.set(self.at + seconds)


def clocked(house: House) -> tuple[Dashboard, Clock]:
    """Serve with a clock that stands at this minute."""
    clock = Clock(house.home / "clock")
    clock.set(float(int(time.time()) // 60 * 60))
    return served(house, code=STEERED.format(path=str(clock.path))), clock
