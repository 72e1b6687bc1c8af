"""SECURITY 35: our files are for owner and group alone, whatever the umask; settings open to others are refused."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.process.conftest import Node, _test_leaves_nothing_running, make_node, node
from tests.web.conftest import House, make_house, served
from tests.web.visitors import add_users

from smart_cron.config import Config, load_config
from smart_cron.core.errors import ConfigError
from smart_cron.home import make_database_file, make_directories
from smart_cron.wiring import prepare

__all__ = ["_test_leaves_nothing_running", "make_house", "make_node", "node"]


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


def test_files_of_a_run_are_closed_to_others(node: Node) -> None:
    end = node.shell("echo secret")

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(Path(end["output_path"])) == 0o640
    assert mode(Path(end["output_path"]).parent) == 0o750
    assert mode(node.runs / end["run_id"]) == 0o600
    assert mode(node.runs) == 0o750
    assert mode(node.state / "incarnation") == 0o600


@pytest.mark.slow
def test_a_new_home_is_closed_to_others_whatever_the_umask(config: Config) -> None:
    prepare(config)

    paths = [config.home, *config.home.rglob("*")]
    assert {path.name: oct(mode_of(path)) for path in paths if mode_of(path) & (stat.S_IRWXO | stat.S_IWGRP)} == {}


def test_the_database_is_no_file_for_others_to_read(config: Config) -> None:
    make_directories(config)

    make_database_file(config)

    assert mode_of(config.state_dir / "smart-cron.db") == 0o640


@pytest.mark.slow
def test_what_a_home_at_work_writes_is_closed_to_others(make_house: Callable[..., House]) -> None:
    """Logs, outputs, run files, sockets, backups, exports, keys: everything that stands there after an hour's work."""
    house = make_house()
    serving = served(house)
    add_users(serving, ["admin"])
    house.add("printer", "echo secret")
    house.start_master()
    house.sure("task", "run", "printer", "--wait")
    house.sure("backup", "create")
    house.sure("health")

    open_to_others = {
        str(path.relative_to(house.home)): oct(mode_of(path))
        for path in house.home.rglob("*")
        if not path.is_symlink() and mode_of(path) & (stat.S_IRWXO | stat.S_IWGRP)
    }

    assert open_to_others == {}
    assert json.loads(house.sure("run", "list", "--json"))[0]["status"] == "success"


@pytest.mark.parametrize("mode", [0o644, 0o642, 0o660])
def test_a_settings_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o750)
    file = home / "smart-cron.toml"
    file.write_text("")
    file.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 640"):
        load_config({"SMART_CRON_HOME": str(home)})
