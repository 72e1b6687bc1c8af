"""What a node uses, measured on this machine."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smart_cron.core.sample import NodeSample
from smart_cron.services.metrics import samples
from smart_cron.services.metrics.samples import Fullness, Sampler, fullest

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class SlowClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.ticks = 0.0

    def now(self) -> datetime:
        return NOON

    def boottime(self) -> float:
        return self.ticks


class Kept:
    """A store that remembers."""

    def __init__(self) -> None:
        self.samples: list[NodeSample] = []

    def add(self, sample: NodeSample) -> None:
        self.samples.append(sample)

    def latest(self) -> list[NodeSample]:
        return self.samples[-1:]

    def series(self, *, node: str, since: datetime, until: datetime) -> list[NodeSample]:
        del node, since, until
        return self.samples

    def counts(self, *, node: str) -> tuple[int, int]:
        return (3, 7) if node == "one" else (0, 0)


def sampler(store: Kept, *directories: Path, clock: SlowClock | None = None) -> Sampler:
    return Sampler(store=store, clock=clock or SlowClock(), node="one", directories=directories, unrecorded=lambda: 2)


def test_a_sample_holds_what_the_machine_and_the_store_tell(tmp_path: Path) -> None:
    kept, clock = Kept(), SlowClock()
    ours = sampler(kept, tmp_path, clock=clock)
    clock.ticks += 60

    ours.sample()

    (sample,) = kept.samples
    assert (sample.node, sample.sampled_at) == ("one", NOON)
    assert (sample.running, sample.waiting, sample.unrecorded) == (3, 7, 2)
    shares = (sample.cpu_percent, sample.memory_percent, sample.swap_percent, sample.disk_percent)
    assert all(share is not None and 0 <= share <= 100 for share in shares)
    assert sample.memory_used_mb is not None
    assert sample.memory_used_mb > 0
    assert sample.load_1m is not None


def test_a_mean_over_next_to_no_time_is_not_told(tmp_path: Path) -> None:
    assert sampler(Kept(), tmp_path).sample().cpu_percent is None


def test_the_fullest_directory_counts_and_missing_ones_do_not(tmp_path: Path) -> None:
    whole = fullest([tmp_path / "none", tmp_path])

    found = os.statvfs(tmp_path)
    assert whole.free_mb is not None
    assert whole.free_mb == pytest.approx(found.f_bavail * found.f_frsize / 1024 / 1024, rel=0.05)
    assert fullest([]) == fullest([tmp_path / "none"]) == Fullness()


def test_a_directory_that_hangs_costs_its_own_figures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    thawed, asked = threading.Event(), []

    def hang(_: object) -> Fullness:
        asked.append(1)
        thawed.wait(60)
        return Fullness(50.0, 5.0, 1)

    monkeypatch.setattr(samples, "fullest", hang)
    monkeypatch.setattr(samples, "PATIENCE_SECONDS", 0.01)
    kept = Kept()
    ours = sampler(kept, Path("/"))

    first, second = ours.sample(), ours.sample()

    assert first.disk_percent is None
    assert first.memory_percent is not None
    assert second.disk_percent is None
    # Nobody asks again while the first question hangs.
    assert asked == [1]
    thawed.set()
