"""SECURITY 36 and 35 for the clean-up: what is planted at its paths is neither followed, read nor deleted."""

from __future__ import annotations

import gzip
import os
import stat
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from smart_cron.config.retention import RetentionConfig
from smart_cron.core.ports.cleanup import KnownRun
from smart_cron.services.cleanup.logs import Logs
from smart_cron.services.cleanup.outputs import Outputs
from smart_cron.services.cleanup.packing import part_of
from smart_cron.services.cleanup.report import Done

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
OLD_LOG = "master-2026-01-01.log"
SECRET = b"root:x:0:0\n"


class NoRows:
    def known_runs(self, _: object) -> dict[str, KnownRun]:
        return {}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else, with a file that looks like ours."""
    folder = tmp_path / "outside"
    folder.mkdir()
    path = folder / f"{uuid4()}.out"
    path.write_bytes(SECRET)
    os.utime(path, (0, 0))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.mkdir(mode=0o750)
    return path


def compressed(folder: Path) -> Done:
    today = date(2026, 3, 31)
    logs = Logs(folder=folder, retention=RetentionConfig().policy(), today=lambda: today, dry_run=False)
    logs.delete_old(lambda _: None)
    return logs.compress(lambda _: None)


def outputs_cleaned(root: Path) -> Done:
    outputs = Outputs(
        root=root,
        store=NoRows(),  # type: ignore[arg-type]  # of the port nothing else is asked
        retention=RetentionConfig(output_budget=1).policy(),
        now=lambda: NOON,
        sheltered=list,
        dry_run=False,
    )
    return outputs.clean(lambda _: None)


def test_links_in_place_of_days_and_files_are_left_alone(folder: Path, outside: Path) -> None:
    root = folder / "output"
    day = root / "2026-01-01"
    day.mkdir(parents=True)
    (root / "2026-01-02").symlink_to(outside.parent)
    (day / f"{uuid4()}.out").symlink_to(outside)
    os.mkfifo(day / f"{uuid4()}.out")
    (day / f"{uuid4()}.out").mkdir()

    assert outputs_cleaned(root) == Done()
    assert outside.read_bytes() == SECRET
    assert len(list(day.iterdir())) == 3
    assert (root / "2026-01-02").is_symlink()


def test_a_folder_that_becomes_a_link_while_it_is_cleaned_is_not_left(
    folder: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder / "output"
    day = root / "2026-01-01"
    day.mkdir(parents=True)
    (day / outside.name).write_bytes(b"ours")
    os.utime(day / outside.name, (0, 0))
    unlink = os.unlink

    def swap_first(name: str, **how: int) -> None:
        if day.is_dir() and not day.is_symlink():
            day.rename(root / "moved")
            day.symlink_to(outside.parent)
        unlink(name, **how)

    monkeypatch.setattr(os, "unlink", swap_first)
    done = outputs_cleaned(root)
    monkeypatch.undo()

    assert done.count == 1
    assert outside.read_bytes() == SECRET
    assert list((root / "moved").iterdir()) == []


def test_a_link_in_place_of_a_log_is_not_read(folder: Path, outside: Path) -> None:
    (folder / OLD_LOG).symlink_to(outside)
    os.mkfifo(folder / "health-2026-01-01.log")

    assert compressed(folder) == Done()
    assert sorted(path.name for path in folder.iterdir()) == ["health-2026-01-01.log", OLD_LOG]


def test_a_hard_link_in_place_of_a_log_is_refused(folder: Path, outside: Path) -> None:
    (folder / OLD_LOG).hardlink_to(outside)

    done = compressed(folder)

    assert done.faults == (f"{folder / OLD_LOG}: {OLD_LOG} is not a regular file with one name.",)
    assert outside.read_bytes() == SECRET
    assert not (folder / f"{OLD_LOG}.gz").exists()


@pytest.mark.parametrize("place", [part_of(OLD_LOG), f"{OLD_LOG}.gz"])
def test_a_link_where_a_log_is_compressed_to_is_replaced_and_not_written_through(
    folder: Path, outside: Path, place: str
) -> None:
    (folder / OLD_LOG).write_bytes(b"{}\n")
    (folder / place).symlink_to(outside)

    done = compressed(folder)

    assert outside.read_bytes() == SECRET
    if done.count:
        assert gzip.decompress((folder / f"{OLD_LOG}.gz").read_bytes()) == b"{}\n"
        assert not (folder / f"{OLD_LOG}.gz").is_symlink()
    else:
        assert (folder / OLD_LOG).read_bytes() == b"{}\n"
        assert done.faults


def test_what_is_compressed_is_never_open_to_others(folder: Path) -> None:
    path = folder / OLD_LOG
    path.write_bytes(b"{}\n")
    path.chmod(0o640)
    umask = os.umask(0)
    try:
        compressed(folder)
    finally:
        os.umask(umask)

    assert stat.S_IMODE((folder / f"{OLD_LOG}.gz").stat().st_mode) == 0o640
