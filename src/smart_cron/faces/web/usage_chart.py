"""What a run used over time, as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from smart_cron.core.spans import span
from smart_cron.faces.web.charts import Chart, Colour, Series
from smart_cron.services.output.usage import Usage

MEGABYTE = 1_000_000


def usage_chart(looks: Sequence[Usage], started_at: datetime) -> Chart:
    """Return memory and CPU of the run."""
    return Chart(
        key="usage",
        title=_("Memory and CPU of this run"),
        sentence=_sentence(looks),
        kind="line",
        grain="second",
        times=[started_at + timedelta(seconds=each.seconds) for each in looks],
        series=(
            Series(
                name=_("Memory"),
                values=[round(each.memory_bytes / MEGABYTE, 1) for each in looks],
                colour=Colour.MAIN,
                kind="line",
                unit="MB",
            ),
            Series(
                name=_("CPU"),
                values=[each.cpu_percent for each in looks],
                colour=Colour.SECOND,
                kind="line",
                axis="right",
                unit="%",
            ),
        ),
    )


def _sentence(looks: Sequence[Usage]) -> str:
    if not looks:
        return _("The first look is five seconds after the start, then there is one each half minute.")
    last = looks[-1]
    return _(
        "%(most)s MB of memory at most; %(cpu)s of CPU within %(span)s, in %(processes)d processes at the end."
    ) % {
        "most": f"{max(each.memory_bytes for each in looks) / MEGABYTE:,.1f}",
        "cpu": span(last.cpu_seconds),
        "span": span(last.seconds),
        "processes": last.processes,
    }
