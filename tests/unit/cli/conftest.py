"""Commands called in this process, on a SQLite home of their own that is copied from a prepared one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smart_cron.config import load_config
from smart_cron.faces.cli.main import main
from smart_cron.wiring import House, open_house, prepare


@dataclass(frozen=True)
class Result:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Call = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SMART_CRON_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SMART_CRON_TIME_ZONE", "UTC")


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("prepared")
    prepare(load_config({"SMART_CRON_HOME": str(home)}))
    return home


@pytest.fixture
def home(prepared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    shutil.copytree(prepared_home, path)
    monkeypatch.setenv("SMART_CRON_HOME", str(path))
    return path


@pytest.fixture
def house(home: Path) -> Iterator[House]:
    """The home's house, for a test to put things in and look at them."""
    assert home.is_dir()
    house = open_house(load_config())
    yield house
    house.close()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call_main(*arguments: str) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, said.out, said.err)

    return call_main


@pytest.fixture
def add(call: Call, home: Path) -> Callable[..., Result]:
    """Define a shell task by the command; keyword arguments are options."""
    assert home.is_dir()

    def add_task(name: str, command: str = "true", *more: str, schedule: str = "0 2 * * *") -> Result:
        result = call("task", "add", name, "--command", command, "--schedule", schedule, *more)
        assert result.code == 0, result.err
        return result

    return add_task
