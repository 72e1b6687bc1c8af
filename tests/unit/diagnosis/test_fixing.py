"""The steps of `doctor --fix`: each looks again before it acts, and gives no right that was not there."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.diagnosis.test_findings import surroundings

from smart_cron.core.errors import SmartCronError
from smart_cron.services.diagnosis import Finding, Fix, FixKind, Verdict, sockets
from smart_cron.services.diagnosis.fixing import apply, fixes_of, in_words


def take(fix: Fix) -> str:
    return apply(fix, owner_uid=os.geteuid(), owner_gid=os.getegid(), heal=lambda: 2)


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, socket.socket]]:
    # A change time cannot be set back: any age counts as settled.
    monkeypatch.setattr(sockets, "SETTLED_SECONDS", -3600.0)
    path = tmp_path / "r.sock"
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(os.fspath(path))
        line.listen()
        yield path, line


def test_a_socket_at_which_somebody_listens_is_left(listening: tuple[Path, socket.socket]) -> None:
    path, _ = listening

    assert sockets.probe_sockets(surroundings(folders={"sockets": path.parent})) == []
    assert take(Fix(kind=FixKind.REMOVE, target=str(path))).startswith("left ")
    assert path.exists()


def test_a_socket_at_which_nobody_listens_is_removed(listening: tuple[Path, socket.socket]) -> None:
    path, line = listening
    line.close()

    (found,) = sockets.probe_sockets(surroundings(folders={"sockets": path.parent}))

    assert found.fix is not None
    assert take(found.fix) == f"removed {path}"
    assert not path.exists()


def test_a_file_is_no_socket(listening: tuple[Path, socket.socket]) -> None:
    path = listening[0].with_name("f.sock")
    path.write_text("")

    assert not sockets.is_stale(path)
    assert not sockets.is_stale(path.with_name("none.sock"))


def test_closing_takes_rights_away_and_gives_none(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    folder.chmod(0o707)
    file.write_text("")
    file.chmod(0o606)

    take(Fix(kind=FixKind.CLOSE, target=str(folder)))
    take(Fix(kind=FixKind.CLOSE, target=str(file), mode=0o640))

    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_closing_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    with pytest.raises(SmartCronError, match="link"):
        take(Fix(kind=FixKind.CLOSE, target=str(tmp_path / "link")))


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    fix = Fix(kind=FixKind.MAKE, target=str(tmp_path / "folder"))

    assert take(fix) == f"made {tmp_path}/folder"
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750
    with pytest.raises(SmartCronError, match="File exists"):
        take(fix)


def test_steps_come_once_and_folders_first() -> None:
    heal, make = Fix(kind=FixKind.HEAL), Fix(kind=FixKind.MAKE, target="/x")
    found = [Finding(subject="s", verdict=Verdict.WRONG, sentence="y.", fix=fix) for fix in (heal, make, heal, None)]

    assert fixes_of(found) == [make, heal]
    assert take(heal) == "healed the mark of 2 tasks"


@pytest.mark.parametrize("kind", list(FixKind))
def test_each_step_has_words(kind: FixKind) -> None:
    assert in_words(Fix(kind=kind, target="/x")).split()[0] in {"make", "close", "remove"}
