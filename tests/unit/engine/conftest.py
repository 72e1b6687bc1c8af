"""A bench for tests of the engine: made once, emptied for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.scripted import Bench, emptied, open_bench_store

from smart_cron.store.gateway import Store

MakeBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def bench_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_bench_store(tmp_path_factory.mktemp("bench"), "bench")
    yield store
    store.database.close()


@pytest.fixture
def make_bench(bench_store: Store) -> MakeBench:
    def make(**settings: Any) -> Bench:
        return Bench(emptied(bench_store), **settings)

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench()
