from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from smart_cron.taskrunner import journal, records, runfile
from smart_cron.taskrunner.journal import FILE_BYTES, HEAD_BYTES, Journal, open_journal
from smart_cron.taskrunner.protocol import to_json
from smart_cron.taskrunner.records import record_in


class House:
    """A state directory, and what a runner and its supervisors do there."""

    def __init__(self, path: Path) -> None:
        self.state, self.runs = path, path / "runs"
        self.runs.mkdir()

    def open(self) -> Journal:
        return open_journal(str(self.state), str(self.runs))

    def files(self) -> list[Path]:
        return sorted(self.state.glob("results-*"))

    def leave(self, opened: Journal) -> None:
        """End its runner: the kernel closes what it had open."""
        assert opened._fd is not None
        os.close(opened._fd)
        opened._fd = None

    def reboot(self) -> None:
        for file in self.files():
            data = file.read_bytes()
            file.write_bytes(b"another boot\n" + data[len(b"another boot\n") :])

    def run(self, run_id: str, *, finished: bool = True) -> bytes:
        """Write the file of a run, as its supervisor does, and return the result."""
        held = records.take(str(self.runs), run_id)
        held.append(to_json({"event": "started", "run_id": run_id, "execution_id": 5}).encode())
        finish = runfile.blank_finish(run_id, 5, "exited")
        body = held.append_finish(finish, sync=False) if finished else to_json(finish).encode()
        held.close()
        return body

    def result(self, run_id: str) -> object:
        found = runfile.read(self.runs, run_id)
        return found and found.finished


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are synced, in order."""
    names: list[str] = []
    sync = os.fdatasync

    def noting(fd: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", noting)
    return names


def test_one_sync_is_enough_for_many_results(house: House, synced: list[str]) -> None:
    opened = house.open()
    bodies = [house.run(f"run-{number}") for number in range(5)]
    for number, body in enumerate(bodies):
        opened.note(f"run-{number}", body)

    opened.commit()

    assert synced == [house.files()[0].name]
    lines = house.files()[0].read_bytes()[HEAD_BYTES:].split(b"\n")[:5]
    assert [record_in(line) for line in lines] == [json.loads(body) for body in bodies]


def test_nothing_is_synced_where_nothing_was_noted(house: House, synced: list[str]) -> None:
    opened = house.open()

    opened.commit()

    assert synced == []


@pytest.mark.parametrize("survived", ["nothing", "its start"])
def test_after_a_reboot_a_result_is_given_to_a_run_file_that_lost_it(house: House, survived: str) -> None:
    opened = house.open()
    body = house.run("run-1", finished=False)
    if survived == "nothing":
        (house.runs / "run-1").unlink()
    opened.note("run-1", body)
    opened.commit()
    house.leave(opened)
    house.reboot()

    house.open()

    assert house.result("run-1") == json.loads(body)


def test_a_result_that_its_run_file_has_is_not_written_again(house: House, synced: list[str]) -> None:
    opened = house.open()
    opened.note("run-1", house.run("run-1"))
    opened.commit()
    before = (house.runs / "run-1").read_bytes()
    house.leave(opened)
    house.reboot()
    synced.clear()

    house.open()

    assert (house.runs / "run-1").read_bytes() == before
    assert synced == ["run-1"]


def test_in_the_same_boot_no_file_is_made_for_a_run_that_was_let_go(house: House) -> None:
    opened = house.open()
    opened.note("run-1", house.run("run-1"))
    opened.commit()
    house.leave(opened)
    (house.runs / "run-1").rename(house.runs / "run-2")

    house.open()

    assert os.listdir(house.runs) == ["run-2"]


def test_what_was_left_is_settled_once_and_removed(house: House) -> None:
    house.leave(house.open())

    house.open()

    assert len(house.files()) == 1


def test_a_journal_in_use_is_left_alone(house: House) -> None:
    first = house.open()
    first.note("run-1", house.run("run-1", finished=False))
    first.commit()
    house.reboot()

    house.open()

    assert len(house.files()) == 2
    assert house.result("run-1") is None


def test_a_run_that_goes_on_is_left_to_its_supervisor(house: House) -> None:
    opened = house.open()
    opened.note("run-1", to_json(runfile.blank_finish("run-1", 5, "exited")).encode())
    opened.commit()
    house.leave(opened)
    house.reboot()
    held = records.take(str(house.runs), "run-1")

    house.open()

    assert house.result("run-1") is None
    held.close()


def fill_half(house: House, opened: Journal, *, first: int) -> int:
    """Note results until the journal has used up the half that it writes to; return how many."""
    half, number = opened._half, first
    while opened._half == half:
        opened.note(f"run-{number}", house.run(f"run-{number}"))
        opened.commit()
        number += 1
    return number - first


def test_before_a_result_is_overwritten_its_run_file_is_synced(house: House, synced: list[str]) -> None:
    opened = house.open()
    count = fill_half(house, opened, first=0)
    assert "run-0" not in synced

    fill_half(house, opened, first=count)

    # The last one of the first turn stands in the second half already.
    assert {f"run-{number}" for number in range(count - 1)} == {name for name in synced if name.startswith("run-")}


def test_a_result_that_the_database_has_is_overwritten_without_more_ado(house: House, synced: list[str]) -> None:
    opened = house.open()
    count = fill_half(house, opened, first=0)
    for number in range(count):
        opened.forget(f"run-{number}")

    fill_half(house, opened, first=count)

    assert not [name for name in synced if name.startswith("run-")]


def test_a_line_that_was_overwritten_halfway_is_passed_over(house: House) -> None:
    opened = house.open()
    for run_id in ("run-1", "run-2"):
        opened.note(run_id, house.run(run_id, finished=False))
    opened.commit()
    house.leave(opened)
    with house.files()[0].open("r+b") as file:
        file.seek(HEAD_BYTES)
        file.write(b"x" * 20)
    house.reboot()

    house.open()

    assert house.result("run-1") is None
    assert house.result("run-2") is not None


def test_more_than_a_half_holds_is_synced_file_by_file(
    house: House, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "HALF_BYTES", 100)
    opened = house.open()
    opened.note("run-1", house.run("run-1"))

    opened.commit()

    assert synced == ["run-1"]


def test_where_there_is_no_room_for_a_journal_run_files_are_synced(house: House, synced: list[str]) -> None:
    opened = Journal(str(house.runs), None)
    opened.note("run-1", house.run("run-1"))
    opened.note("gone", b"{}")

    opened.commit()

    assert synced == ["run-1"]


def test_a_new_journal_is_locked_and_whole(house: House) -> None:
    house.open()
    file = house.files()[0]

    assert file.stat().st_size == FILE_BYTES
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("line", [b"", b"junk", b"00000000 {}", b'00000000 {"run_id": 7}', b"00000000 []"])
def test_a_line_that_is_no_record_is_none(line: bytes) -> None:
    assert record_in(line) is None
