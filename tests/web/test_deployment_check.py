"""Django's own check of a deployment finds nothing but what is meant, and that is named with its reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.web.conftest import House, make_house

__all__ = ["make_house"]
pytestmark = pytest.mark.slow
CHECK = """
import sys
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config(), is_secure=sys.argv[1] == "tls")
from django.conf import settings
from django.core.management import call_command
from smart_cron.faces.web.django_apps import SILENCED
assert not settings.DEBUG
assert all(reason for _, reason in SILENCED)
settings.SILENCED_SYSTEM_CHECKS = [name for name, _ in SILENCED] if sys.argv[2] == "silenced" else []
call_command("check", deploy=True, fail_level="WARNING")
"""


def checked(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", CHECK, *words]
    # What tests allow themselves, to ask a store beside a browser's loop, no deployment has.
    own = {name: value for name, value in house.environment.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return subprocess.run(argv, env=own, cwd=Path("/"), capture_output=True, text=True, check=False)


def test_behind_tls_it_is_clean(make_house: Callable[..., House]) -> None:
    done = checked(make_house(WEB__ALLOWED_HOSTS='["cron.example.org"]'), "tls", "silenced")

    assert done.returncode == 0, done.stderr
    assert "System check identified no issues (4 silenced)." in done.stdout + done.stderr


def test_nothing_is_silenced_that_it_would_not_find(make_house: Callable[..., House]) -> None:
    done = checked(make_house(WEB__ALLOWED_HOSTS='["cron.example.org"]'), "tls", "all")

    assert {word for word in ("W002", "W005", "W008", "W021") if f"security.{word}" in done.stderr} == {
        "W002", "W005", "W008", "W021",
    }  # fmt: skip
    assert done.stderr.count("security.W") == 4
