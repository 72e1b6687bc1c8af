"""Whose the home is: nobody else reads what is in it, and nobody else can plant something there (SECURITY 35, 36)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from smart_cron.config import Config, load_config
from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.home import exposed_directories, make_database_file, make_directories
from smart_cron.wiring import open_house


@pytest.fixture(autouse=True)
def _careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"SMART_CRON_HOME": str(tmp_path / "home")})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_database_that_is_there_is_left_as_it_is(config: Config) -> None:
    make_directories(config)
    file = config.state_dir / "smart-cron.db"
    file.write_bytes(b"rows")

    make_database_file(config)

    assert file.read_bytes() == b"rows"


@pytest.mark.parametrize("folder", ["", "state", "state/runs", "log", "run", "backups"])
@pytest.mark.parametrize("mode", [0o770, 0o757])
def test_security_36_a_folder_that_others_can_write_is_refused_by_name(config: Config, folder: str, mode: int) -> None:
    make_directories(config)
    (config.home / folder).chmod(mode)

    with pytest.raises(ConfigError, match=r"can be written by others: chmod 750") as refused:
        open_house(config)

    assert str(config.home / folder) in str(refused.value)


def test_folders_of_ours_alone_expose_nothing(config: Config) -> None:
    make_directories(config)

    assert list(exposed_directories(config)) == []


def test_security_36_a_link_planted_as_the_lock_is_told_and_not_followed(config: Config, tmp_path: Path) -> None:
    make_directories(config)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (config.state_dir / "master.lock").symlink_to(victim)
    house = open_house(config, check_schema=False)

    with pytest.raises(SmartCronError, match=r"master\.lock cannot be opened"), house.hold_node():
        pass

    house.close()
    assert victim.read_text() == "mine"
