"""What a node used over 24 hours, from its samples of each minute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from smart_cron.core.sample import NodeSample
from smart_cron.faces.web.charts import Chart, Colour, Series
from smart_cron.faces.web.premises import Premises

SPAN, STEP = timedelta(hours=24), timedelta(minutes=15)
KEPT_SECONDS = 30.0
_SHOWN = (
    ("cpu_percent", Colour.MAIN),
    ("memory_percent", Colour.SECOND),
    ("disk_percent", Colour.THIRD),
)


def node_chart(premises: Premises, node: str, now: datetime) -> Chart:
    """Return CPU, memory and disk as means of 15 minutes."""
    since = _floor(now) - SPAN + STEP
    samples = premises.memo.get(
        ("node", node, since),
        lambda: premises.store.samples.series(node=node, since=since, until=now),
        seconds=KEPT_SECONDS,
    )
    times = [since + number * STEP for number in range(int(SPAN / STEP))]
    names = {"cpu_percent": _("CPU"), "memory_percent": _("Memory"), "disk_percent": _("Disk")}
    return Chart(
        key="usage",
        title=_("CPU, memory and disk of %(node)s over 24 hours") % {"node": node},
        sentence=_sentence(samples),
        kind="line",
        times=times,
        series=[
            Series(name=names[name], values=_means(samples, name, times), colour=colour, kind="line", unit="%")
            for name, colour in _SHOWN
        ],
    )


def _floor(at: datetime) -> datetime:
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def _means(samples: Sequence[NodeSample], name: str, times: Sequence[datetime]) -> list[float | None]:
    sums: dict[datetime, list[float]] = {}
    for sample in samples:
        value = getattr(sample, name)
        if value is not None:
            sums.setdefault(_floor(sample.sampled_at), []).append(value)
    return [round(sum(found) / len(found), 1) if (found := sums.get(at)) else None for at in times]


def _sentence(samples: Sequence[NodeSample]) -> str:
    if not samples:
        return _("Nothing was sampled within 24 hours: no master of this node was at work.")
    newest = samples[-1]
    shown = {name: _percent(getattr(newest, name)) for name, _colour in _SHOWN}
    peak = max((each.cpu_percent for each in samples if each.cpu_percent is not None), default=None)
    return _("CPU %(cpu_percent)s now (%(peak)s at most), memory %(memory_percent)s, disk %(disk_percent)s.") % {
        **shown,
        "peak": _percent(peak),
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"
