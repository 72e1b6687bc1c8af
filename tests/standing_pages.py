"""What a process that stands ready for pages has beyond the others: Django, told what a new home tells it.

Each fork tells Django anew, as the program does. What has been read by then was read by modules while they were
imported: where a fork says something else about that, it starts the program itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pkgutil import walk_packages
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

ROOMS = ("smart_cron.faces.api", "smart_cron.faces.web")


def import_pages() -> None:
    """Import whatever serves pages."""
    from django.conf import settings
    from django.db import connections

    from smart_cron.config import load_config
    from smart_cron.faces.web.settings import open_web_store
    from smart_cron.store import setup

    with TemporaryDirectory() as home:
        os.mkdir(f"{home}/state", mode=0o750)
        open_web_store(load_config({"SMART_CRON_HOME": home}))
    for room in ROOMS:
        for module in walk_packages(import_module(room).__path__, f"{room}."):
            # What is wrong with it fails whoever needs it.
            with suppress(Exception):
                import_module(module.name)
    connections.close_all()
    del connections["default"]
    settings.DATABASES.clear()
    setup.settings = _ToldAnew(settings)


class _ToldAnew:
    """Django's settings, to be told once more."""

    configured = False

    def __init__(self, settings: Any) -> None:
        self._settings = settings
        # Django keeps what it was asked for.
        self._read = {name: value for name, value in vars(settings).items() if name != "_wrapped"}

    def configure(self, **told: Any) -> None:
        """Take these, for good."""
        from smart_cron.store import setup

        if any(value != told.get(name, value) for name, value in self._read.items()):
            start_anew(sys.orig_argv)
        for name, value in told.items():
            setattr(self._settings, name, value)
        setup.settings = self._settings


def start_anew(command: Sequence[str]) -> NoReturn:
    """Be the program itself. What was typed has been read; it is read again."""
    with suppress(OSError):
        os.lseek(0, 0, os.SEEK_SET)
    os.execve(sys.executable, list(command), dict(os.environ))
