"""Day logs are compressed without ever missing, and deleted when their time is over."""

from __future__ import annotations

import gzip
import os
import stat
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from smart_cron import SmartCronLogger
from smart_cron.config.retention import RetentionConfig
from smart_cron.logs import day_files
from smart_cron.services.cleanup import packing
from smart_cron.services.cleanup.logs import Logs
from smart_cron.services.cleanup.report import Done

TODAY = date(2026, 3, 15)
OLD = "master-2026-03-01.log"
LINES = b'{"message": "one"}\n{"message": "two"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def logs(folder: Path, *, dry_run: bool = False, **settings: Any) -> Logs:
    return Logs(folder=folder, retention=RetentionConfig(**settings).policy(), today=lambda: TODAY, dry_run=dry_run)


def compress(folder: Path, *, dry_run: bool = False) -> Done:
    return logs(folder, dry_run=dry_run).compress(lambda _: None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_old_log_becomes_a_gz_of_the_same_mode_and_time(folder: Path) -> None:
    path = folder / OLD
    path.write_bytes(LINES * 100)
    path.chmod(0o640)
    os.utime(path, ns=(1_700_000_000_123_456_789, 1_700_000_001_987_654_321))

    done = compress(folder)

    packed = folder / f"{OLD}.gz"
    found = packed.stat()
    assert names(folder) == [packed.name]
    assert gzip.decompress(packed.read_bytes()) == LINES * 100
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o640, 1_700_000_001_987_654_321)
    assert (done.count, done.freed_bytes, done.faults) == (1, len(LINES) * 100 - found.st_size, ())


def test_it_is_read_as_before(folder: Path) -> None:
    path = folder / OLD
    path.write_bytes(LINES)
    before = SmartCronLogger.get_tail(path)

    compress(folder)

    assert SmartCronLogger.get_tail(path) == before != []
    assert SmartCronLogger.search(path, {"message": "two"}) == before[1:]
    assert [found.name for found in day_files(folder)] == [f"{OLD}.gz"]


def test_logs_of_this_week_and_files_of_others_stay(folder: Path) -> None:
    kept = ["master-2026-03-15.log", "master-2026-03-08.log", "master.log", "nginx-2020-01-01.log", "old.log.gz"]
    for name in kept:
        (folder / name).write_bytes(LINES)

    assert compress(folder).count == logs(folder).delete_old(lambda _: None).count == 0
    assert names(folder) == sorted(kept)


def test_compressed_logs_go_when_their_time_is_over(folder: Path) -> None:
    for name in ("master-2025-12-01.log.gz", "health-2025-12-14.log.gz", "cleanup-2025-12-15.log.gz"):
        (folder / name).write_bytes(b"12345")

    would = logs(folder, dry_run=True).delete_old(lambda _: None)
    done = logs(folder).delete_old(lambda _: None)

    assert (done.count, done.freed_bytes) == (would.count, would.freed_bytes) == (2, 10)
    assert names(folder) == ["cleanup-2025-12-15.log.gz"]


def test_a_dry_run_compresses_nothing(folder: Path) -> None:
    (folder / OLD).write_bytes(LINES)

    assert compress(folder, dry_run=True).count == 1
    assert names(folder) == [OLD]


def test_what_an_interrupted_one_left_is_done_anew(folder: Path) -> None:
    (folder / OLD).write_bytes(LINES)
    (folder / packing.part_of(OLD)).write_bytes(b"half")

    compress(folder)

    assert names(folder) == [f"{OLD}.gz"]
    assert gzip.decompress((folder / f"{OLD}.gz").read_bytes()) == LINES


@pytest.mark.parametrize(
    "packed", [gzip.compress(LINES), gzip.compress(LINES)[:-9], gzip.compress(LINES[:19]), b""], ids=range(4)
)
def test_a_gz_of_the_same_beginning_is_replaced(folder: Path, packed: bytes) -> None:
    (folder / OLD).write_bytes(LINES)
    (folder / f"{OLD}.gz").write_bytes(packed)

    compress(folder)

    assert names(folder) == [f"{OLD}.gz"]
    assert gzip.decompress((folder / f"{OLD}.gz").read_bytes()) == LINES


def test_a_gz_that_says_something_else_is_kept_in_front(folder: Path) -> None:
    (folder / OLD).write_bytes(LINES)
    (folder / f"{OLD}.gz").write_bytes(gzip.compress(b'{"message": "zero"}\n'))

    compress(folder)

    assert gzip.decompress((folder / f"{OLD}.gz").read_bytes()) == b'{"message": "zero"}\n' + LINES
    assert [entry["message"] for entry in SmartCronLogger.get_tail(folder / OLD)] == ["zero", "one", "two"]


def test_a_log_that_is_written_to_meanwhile_stays_and_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / OLD
    path.write_bytes(LINES)
    usual = packing._compress

    def compress_slowly(*args: Any, **how: Any) -> None:
        usual(*args, **how)
        with path.open("ab") as file:
            file.write(LINES)

    monkeypatch.setattr(packing, "_compress", compress_slowly)
    done = compress(folder)

    assert (done.count, done.faults) == (0, (f"{path}: {OLD} is still written to.",))
    assert names(folder) == [OLD]
    assert path.read_bytes() == LINES * 2


def test_a_log_that_does_not_fit_keeps_no_other_from_being_compressed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (OLD, "health-2026-03-01.log"):
        (folder / name).write_bytes(LINES)
    usual = packing._compress

    def compress_until_full(source: Any, target: Any, name: str, **how: Any) -> None:
        if name == "health-2026-03-01.log":
            raise OSError(28, "No space left on device")
        usual(source, target, name, **how)

    monkeypatch.setattr(packing, "_compress", compress_until_full)
    done = compress(folder)

    assert done.count == 1
    assert done.faults == (f"{folder}/health-2026-03-01.log: No space left on device.",)
    assert names(folder) == ["health-2026-03-01.log", f"{OLD}.gz"]


def test_a_folder_that_is_missing_has_no_logs(folder: Path) -> None:
    assert compress(folder / "none") == Done()
