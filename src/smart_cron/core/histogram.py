"""Durations counted by their order of magnitude, so that percentiles of hours, nodes and tasks add up.

Each bucket is a tenth wider than the one before it; what is read back from its middle is off by less than 5 %. A
month of runs is told by a few hundred characters of text: `index:count` pairs in order, such as `-24:3 0:118 1:7`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

GROWTH = 1.1
_LOG_GROWTH = math.log(GROWTH)
# Bucket i ends at GROWTH ** i seconds; its middle is off by (GROWTH - 1) / (GROWTH + 1) at either end.
_MIDDLE = 2 / (GROWTH + 1)
# What is shorter than a tenth of a millisecond, or longer than some thirty years, counts as just that.
FIRST, LAST = -97, 218
# More than can ever have run, and few enough to reckon with.
MOST_COUNT = 10**12

Buckets = Mapping[int, int]


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration; negative ones count as none at all."""
    if seconds <= 0:
        return FIRST
    # A hair less, so that what lies on an edge does not go up by a rounding of the logarithm.
    return min(max(math.ceil(math.log(seconds) / _LOG_GROWTH - 1e-9), FIRST), LAST)


def counted(durations: Iterable[float]) -> Counter[int]:
    """Return how many of these durations, in seconds, fall into each bucket."""
    return Counter(map(bucket_of, durations))


def merged(histograms: Iterable[Buckets]) -> Counter[int]:
    """Return the sum of histograms; in which order they are added does not matter."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        for index, count in histogram.items():
            total[index] += count
    return total


def to_text(histogram: Buckets) -> str:
    """Return it as text, the same for the same counts."""
    return " ".join(f"{index}:{histogram[index]}" for index in sorted(histogram))


def from_text(text: str | None) -> Counter[int]:
    """Read it back. What somebody wrote into the column and is none is passed over: a chart may lack an hour."""
    found: Counter[int] = Counter()
    for pair in (text or "").split():
        try:
            index, count = map(int, pair.split(":"))
        except ValueError:
            continue
        if count > 0:
            bucket = min(max(index, FIRST), LAST)
            found[bucket] = min(found[bucket] + count, MOST_COUNT)
    return found


def quantile(histogram: Buckets, share: float) -> float | None:
    """Return what *share* (0 to 1) of the durations do not exceed, in seconds, within 5 %; None of none."""
    wanted = math.ceil(share * sum(histogram.values()))
    seen = 0
    for index in sorted(histogram):
        seen += histogram[index]
        if seen >= max(wanted, 1):
            return _MIDDLE * GROWTH**index
    return None


def quantile_within(histogram: Buckets, share: float, *, least: float | None, most: float | None) -> float | None:
    """Return the quantile, but no less and no more than what was really met."""
    found = quantile(histogram, share)
    if found is None:
        return None
    floor, ceiling = (found if bound is None else bound for bound in (least, most))
    return min(max(found, floor), ceiling)
