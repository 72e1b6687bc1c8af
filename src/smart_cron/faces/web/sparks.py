"""Small pictures of a task's past: bars of its last hours with runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from smart_cron.core.spans import span
from smart_cron.core.task_board import Pulse

BARS, PITCH, HEIGHT, LEAST = 24, 4, 22, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spark:
    """The bars as two paths, those of hours without and with a failure, and the sentence that says the same."""

    good: str
    bad: str
    sentence: str
    width: int = BARS * PITCH
    height: int = HEIGHT


def spark_of(pulses: Sequence[Pulse]) -> Spark | None:
    """Return the picture of a task's last hours with runs, the newest on the right; None where nothing ran.

    How long runs took on average is how high a bar is.
    """
    if not pulses:
        return None
    shown = pulses[-BARS:]
    longest = max((pulse.average or 0.0) for pulse in shown)
    left = (BARS - len(shown)) * PITCH
    bars: dict[bool, list[str]] = {False: [], True: []}
    for number, pulse in enumerate(shown):
        bars[pulse.failures > 0].append(_bar(pulse, left + number * PITCH, longest))
    return Spark(good="".join(bars[False]), bad="".join(bars[True]), sentence=_sentence(shown))


def _bar(pulse: Pulse, x: int, longest: float) -> str:
    # By the root, so that what is ten times as long does not make the others vanish.
    share = math.sqrt((pulse.average or 0.0) / longest) if longest else 0.0
    height = max(LEAST, round(share * HEIGHT))
    return f"M{x} {HEIGHT}v-{height}h{PITCH - 1}v{height}z"


def _sentence(pulses: Sequence[Pulse]) -> str:
    runs, failures = sum(each.runs for each in pulses), sum(each.failures for each in pulses)
    timed, total = sum(each.timed_runs for each in pulses), sum(each.duration_sum for each in pulses)
    words = {"hours": len(pulses), "runs": runs, "failures": failures, "time": span(total / timed) if timed else "–"}
    return _("Last %(hours)d hours with runs: %(runs)d runs, %(failures)d failed, %(time)s on average") % words
