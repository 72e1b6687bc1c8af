"""Durations counted by their order of magnitude, so that percentiles of hours, nodes and tasks add up.

Each bucket is a tenth wider than the one before it; what is read back from its middle is off by less than 5 %. A
month of runs is told by a few hundred characters of text: `index:count` pairs in order, such as `-24:3 0:118 1:7`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

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
    return " ".join([f"{index}:{count}" for index, count in sorted(histogram.items())])


def from_text(text: str | None) -> dict[int, int]:
    """Read it back. What somebody wrote into the column and is none is passed over: a chart may lack an hour."""
    pairs = [pair.split(":") for pair in text.split()] if text else []
    # One is read for each run that is recorded: what we wrote ourselves is looked at as a whole.
    try:
        found = {int(index): int(count) for index, count in pairs}
    except ValueError:
        return _from_foreign(pairs)
    return found if len(found) == len(pairs) and _is_sound(found) else _from_foreign(pairs)


def _is_sound(found: Buckets) -> bool:
    counts = found.values()
    return not found or (min(found) >= FIRST and max(found) <= LAST and min(counts) > 0 and max(counts) <= MOST_COUNT)


def _from_foreign(pairs: Iterable[Sequence[str]]) -> dict[int, int]:
    found: Counter[int] = Counter()
    for pair in pairs:
        try:
            index, count = map(int, pair)
        except ValueError:
            continue
        if count > 0:
            bucket = min(max(index, FIRST), LAST)
            found[bucket] = min(found[bucket] + count, MOST_COUNT)
    return dict(found)


def quantile(histogram: Buckets, share: float) -> float | None:
    """Return what *share* (0 to 1) of the durations do not exceed, in seconds, within 5 %; None of none."""
    return _quantile(sorted(histogram.items()), share)


def _quantile(ordered: Sequence[tuple[int, int]], share: float) -> float | None:
    left = max(math.ceil(share * sum([count for _, count in ordered])), 1)
    for index, count in ordered:
        left -= count
        if left <= 0:
            return _MIDDLE * GROWTH**index
    return None


def quantile_within(histogram: Buckets, share: float, *, least: float | None, most: float | None) -> float | None:
    """Return the quantile, but no less and no more than what was really met."""
    return quantiles_within(histogram, (share,), least=least, most=most)[0]


def quantiles_within(
    histogram: Buckets, shares: Sequence[float], *, least: float | None, most: float | None
) -> list[float | None]:
    """Return several quantiles as `quantile_within` does, the histogram put in order once."""
    ordered = sorted(histogram.items())
    return [_within(_quantile(ordered, share), least, most) for share in shares]


def _within(found: float | None, least: float | None, most: float | None) -> float | None:
    if found is None:
        return None
    if least is not None and found < least:
        found = least
    return most if most is not None and found > most else found
