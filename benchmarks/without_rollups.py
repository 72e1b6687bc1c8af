"""`smart-cron`, but runs are neither summed up nor held against their tasks' past."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.core.run import Settlement
from smart_cron.engine.anomaly_watch import AnomalyWatch
from smart_cron.faces.cli.main import main
from smart_cron.store.rollups import Rollups


def _add_nothing(_: Rollups, settlements: Sequence[Settlement]) -> None:
    del settlements


def _judge_nothing(_: AnomalyWatch, settlements: Sequence[Settlement], *, storm: bool = False) -> list[Settlement]:
    del storm
    return list(settlements)


if __name__ == "__main__":
    Rollups.add = _add_nothing  # type: ignore[method-assign]
    AnomalyWatch.judged = _judge_nothing  # type: ignore[method-assign]
    main()
