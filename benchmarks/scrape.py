"""How many milliseconds `/metrics` takes, asked of a real dashboard over HTTP as Prometheus does."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from contextlib import closing

from benchmarks.house import Home

ANSWER_SECONDS = 30.0


def scrapes(home: Home, count: int) -> list[float]:
    """Return the milliseconds of each; the first one, which opens the connection to the database, does not count."""
    command = [sys.executable, "-m", "smart_cron", "dashboard", "--port", "0"]
    dashboard = subprocess.Popen(command, env=home.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert dashboard.stdout is not None
        found = re.search(rb"http://\S+:(\d+)", dashboard.stdout.readline())
        assert found is not None, "the dashboard does not say where it listens"
        key = (home.state_dir / "metrics.key").read_text(encoding="ascii").strip()
        return [_scrape(int(found[1]), key) for _ in range(count + 1)][1:]
    finally:
        dashboard.terminate()
        dashboard.communicate(timeout=30)


def _scrape(port: int, key: str) -> float:
    began = time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, f"/metrics answered {answer.status}"
    return 1000 * (time.perf_counter() - began)
