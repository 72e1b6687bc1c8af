#!/usr/bin/env python3
"""A sales report: the cities to report on come by standard input, one a line."""

import sys
from datetime import date, timedelta
from random import Random


def orders(city: str, day: date) -> list[float]:
    """Return the day's order totals of a city: made up, but the same at each call."""
    random = Random(f"{city} {day}")
    return [round(random.uniform(15, 240), 2) for _ in range(random.randrange(20, 60))]


def main() -> int:
    """Print the report; fail where there is nothing to report on."""
    day = date.today() - timedelta(days=1)
    cities = [line.strip() for line in sys.stdin if line.strip()]
    if not cities:
        print("no cities given on standard input", file=sys.stderr)
        return 1
    print(f"Orders of {day:%A, %d %B %Y}")
    total = 0.0
    for city in cities:
        sums = orders(city, day)
        total += sum(sums)
        print(f"  {city:<12} {len(sums):>4} orders {sum(sums):>12,.2f}")
    print(f"  {'Total':<12} {'':>11} {total:>12,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
