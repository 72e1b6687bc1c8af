"""`python -IS .../taskrunner/__main__.py smart-cron task-runner …`: what a client starts where no runner answers.

It is run as a file and not as a module, so that neither the environment nor site-packages' start-up code has a say;
the package is found from where this file lies. The words `smart-cron` in its arguments let `pkill -f` find it.
"""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Start a runner: --state DIR --run DIR --version TEXT [--idle SECONDS] [--foreground]."""
    if not __package__:
        # Behind the standard library, which other packages' modules must not shadow.
        root = os.path.abspath(f"{__file__}/../../..")
        sys.path.append(root)
        # The package without its `__init__`, which loads what no supervisor needs.
        package = sys.modules["smart_cron"] = type(sys)("smart_cron")
        package.__path__ = [f"{root}/smart_cron"]
    from smart_cron.taskrunner.daemon import start_runner

    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    start_runner(
        state_dir=given["--state"],
        run_dir=given["--run"],
        version=given["--version"],
        idle_seconds=float(given.get("--idle", "300")),
        foreground=given.get("--foreground") == "yes",
    )


if __name__ == "__main__":
    main(sys.argv[3:])
