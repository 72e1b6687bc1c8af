"""Print how many milliseconds each of some scrapes of this home takes."""

from __future__ import annotations

import sys
import time

from smart_cron.wiring import open_house
from smart_cron.wiring.metering import metrics_text

if __name__ == "__main__":
    house = open_house()
    metrics_text(house)  # Opens the connection, as a dashboard has.
    for _ in range(int(sys.argv[1])):
        began = time.perf_counter()
        metrics_text(house)
        print(1000 * (time.perf_counter() - began))
    house.close()
