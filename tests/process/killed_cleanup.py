"""Stands for `smart-cron cleanup` in tests: the same program, which kills itself at a named point.

python killed_cleanup.py MODULE:NAME:WHEN:N

MODULE and NAME (a function, or Class.method) say where, WHEN is before or after the call, N the how manieth one.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
import sys
from typing import Any


def put_around(module: str, name: str, when: str, number: int) -> None:
    """Put the point around the function."""
    place = importlib.import_module(f"smart_cron.{module}")
    owner, _, method = name.rpartition(".")
    target = getattr(place, owner) if owner else place
    original, left = getattr(target, method), [number]

    def reached(here: str) -> None:
        left[0] -= here == when
        if here == when and not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    def wrapped(*args: Any, **keywords: Any) -> Any:
        reached("before")
        answer = original(*args, **keywords)
        reached("after")
        return answer

    setattr(target, method, wrapped)


if __name__ == "__main__":
    import django.conf  # noqa: F401 - models want it before the store's rooms

    spec = sys.argv[1].split(":")
    put_around(spec[0], spec[1], spec[2], int(spec[3]))
    from smart_cron.faces.cli.main import main

    main(["cleanup"])
