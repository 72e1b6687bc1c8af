"""Successes that differ from a task's own past: far shorter, far longer, far less output, far more memory.

What is usual is told by the median of the last successes, and by the median of their distances to it (MAD), which one
odd run cannot move. A task's tolerance is in standard deviations, of which a MAD is 1 / 1.4826 where values are spread
normally. A history that never varies has no MAD: floors keep the noise of a machine from being told.

Downwards no distance can be longer than the median itself. So a tenth of it is far less, however much a task varies,
unless it has been there before more than once in twenty times.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

# So many successes make a past; so many of the latest are looked at.
LEAST_PAST, MOST_PAST = 20, 100
MAD_TO_DEVIATION = 1.4826
# Bounds are worked out anew after so many more successes: a median moves slowly, and sorting costs.
STALE_AFTER = 10
MEGABYTE = 1024 * 1024
# Below this share of the median lies what is far less than usual for every task; unless so many of its past were there.
FAR_LESS, SELDOM = 0.1, 0.05
# What the arrays below keep of a number: the same one must not lie below itself.
SEVEN_DIGITS = 1 - 1e-6
# Within a second of the usual time lies a machine's own noise.
SECOND = 1.0
# No figure of a run, whoever wrote it; beyond lies what an array of ours takes for infinite.
MOST = 1e30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one success took; memory is None where it was not measured."""

    duration: float
    output_bytes: int
    memory_peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One way in which a success differs: the alert's `subtype`, and a clause that says it."""

    subtype: str
    words: str


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual of one quantity."""

    median: float
    deviation: float

    seldom_below: float

    def margin(self, tolerance: float, *, share: float, least: float = 0.0) -> float:
        """Return how far a value may lie above the median."""
        return max(tolerance * self.deviation, share * self.median, least)

    def least(self, tolerance: float, *, share: float) -> float:
        """Return how small a value may be."""
        far_less = min(FAR_LESS * self.median, self.seldom_below * SEVEN_DIGITS)
        return max(self.median - self.margin(tolerance, share=share), far_less)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between what a success of one task is usual, for one tolerance. None bounds nothing."""

    duration: tuple[float, float]
    output_least: float
    memory_most: float | None


@dataclass(slots=True)
class Past:
    """The last successes of one task, compactly: a master keeps thousands of these."""

    durations: array[float] = field(default_factory=lambda: array("f"))
    outputs: array[float] = field(default_factory=lambda: array("f"))
    memories: array[float] = field(default_factory=lambda: array("f"))
    _bounds: Bounds | None = None
    _tolerance: float = 0.0
    _since_bounds: int = 0

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Past:
        """Return the past that consists of these, the earliest first."""
        past = cls()
        for sample in samples:
            past.learn(sample)
        return past

    def learn(self, sample: Sample) -> None:
        """Add a success."""
        _push(self.durations, sample.duration)
        _push(self.outputs, sample.output_bytes)
        if sample.memory_peak_bytes is not None:
            _push(self.memories, sample.memory_peak_bytes / MEGABYTE)
        self._since_bounds += 1

    def judge(self, sample: Sample, *, tolerance: float) -> tuple[Anomaly, ...]:
        """Return how *sample*, which is not part of this past yet, differs from it; nothing while it is too short."""
        # Written by SQL it may be infinite, which is patience without end, or no number.
        if not 0 < tolerance < math.inf or len(self.durations) < LEAST_PAST:
            return ()
        bounds = self._usual_bounds(tolerance)
        shortest, longest = bounds.duration
        peak = sample.memory_peak_bytes
        if (
            shortest <= sample.duration <= longest
            and sample.output_bytes >= bounds.output_least
            and (peak is None or bounds.memory_most is None or peak <= bounds.memory_most * MEGABYTE)
        ):
            return ()
        return tuple(self._anomalies(sample, bounds))

    def _usual_bounds(self, tolerance: float) -> Bounds:
        if self._bounds is None or self._since_bounds >= STALE_AFTER or tolerance != self._tolerance:
            self._bounds, self._tolerance, self._since_bounds = self._worked_out(tolerance), tolerance, 0
        return self._bounds

    def _worked_out(self, tolerance: float) -> Bounds:
        duration, output = usual(self.durations), usual(self.outputs)
        longest = duration.median + duration.margin(tolerance, share=0.25, least=SECOND)
        shortest = min(duration.least(tolerance, share=0.25), duration.median - SECOND)
        memory_most = None
        if len(self.memories) >= LEAST_PAST:
            memory = usual(self.memories)
            memory_most = memory.median + memory.margin(tolerance, share=0.25, least=16.0)
        return Bounds(
            duration=(shortest, longest),
            output_least=output.least(tolerance, share=0.5),
            memory_most=memory_most,
        )

    def _anomalies(self, sample: Sample, bounds: Bounds) -> list[Anomaly]:
        count, found = len(self.durations), []
        shortest, longest = bounds.duration
        if not shortest <= sample.duration <= longest:
            words = (
                f"it took {_seconds(sample.duration)}, its last {count} successes {_seconds(median(self.durations))}"
            )
            found.append(Anomaly(subtype="anomaly_duration", words=words))
        if sample.output_bytes < bounds.output_least:
            words = f"it printed {_size(sample.output_bytes)}, its last {count} successes {_size(median(self.outputs))}"
            found.append(Anomaly(subtype="anomaly_output", words=words))
        peak, most = sample.memory_peak_bytes, bounds.memory_most
        if peak is not None and most is not None and peak > most * MEGABYTE:
            before = median(self.memories) * MEGABYTE
            words = f"it used {_size(peak)} of memory, its last {count} successes {_size(before)}"
            found.append(Anomaly(subtype="anomaly_memory", words=words))
        return found


def usual(values: Sequence[float]) -> Usual:
    """Return median and scaled MAD, and what no more than one value in twenty lies below."""
    ordered = sorted(values)
    middle = median(ordered)
    deviation = MAD_TO_DEVIATION * median(abs(value - middle) for value in ordered)
    return Usual(middle, deviation, ordered[math.floor(SELDOM * len(ordered))])


def _push(values: array[float], value: float) -> None:
    if not abs(value) < MOST:
        return
    if len(values) >= MOST_PAST:
        del values[0]
    values.append(value)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def _size(size: float) -> str:
    for unit, bound in (("bytes", 1024), ("KB", MEGABYTE), ("MB", 1024 * MEGABYTE)):
        if size < bound:
            return f"{size * 1024 / bound:.0f} {unit}" if unit == "bytes" else f"{size * 1024 / bound:.1f} {unit}"
    return f"{size / (1024 * MEGABYTE):.1f} GB"
