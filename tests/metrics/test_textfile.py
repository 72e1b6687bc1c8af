"""The file for node_exporter."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from smart_cron.config import load_config
from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.services.metrics.textfile import write_whole


def test_whoever_reads_meets_it_whole(tmp_path: Path) -> None:
    """A reader that looks all the time sees the old file or the new one, never a part."""
    path, stopping, seen = tmp_path / "x.prom", threading.Event(), set()
    texts = ["a" * 100_000, "b" * 100_000]
    write_whole(path, texts[0])

    def read() -> None:
        while not stopping.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(50):
        write_whole(path, texts[number % 2])
    stopping.set()
    reader.join()

    assert seen <= set(texts)


def test_everyone_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "x.prom", "1\n")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "x.prom").stat().st_mode) == 0o644


def test_the_part_of_a_killed_process_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f".x.prom.{os.getpid()}.part").write_text("torn")

    write_whole(tmp_path / "x.prom", "whole")

    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]


def test_a_link_that_somebody_planted_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "x.prom").symlink_to(victim)

    write_whole(tmp_path / "x.prom", "figures")

    assert victim.read_text() == "mine"
    assert not (tmp_path / "x.prom").is_symlink()


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.prom").mkdir()

    with pytest.raises(SmartCronError, match="cannot be written"):
        write_whole(tmp_path / "x.prom", "figures")

    assert [path.name for path in tmp_path.iterdir()] == ["x.prom"]


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("TEXTFILE", "relative.prom", "absolute path"),
        ("TEXTFILE", "/var/x.txt", r"ends in \.prom"),
        ("OTLP_ENDPOINT", "localhost:4318", "http://"),
        ("TASK_LABEL_LIMIT", "-1", "greater than or equal to 0"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(tmp_path: Path, setting: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config({"SMART_CRON_HOME": str(tmp_path), f"SMART_CRON_METRICS__{setting}": value})
