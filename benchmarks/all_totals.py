"""`python -m benchmarks.all_totals`, in a home: every total of all tasks, which a master reckons within some hours."""

from __future__ import annotations

from smart_cron.wiring import open_house


def main() -> None:
    house = open_house()
    # The first call only makes the gate.
    for _ in range(2):
        house.store.totals.reckon(enough=lambda: False)


if __name__ == "__main__":
    main()
