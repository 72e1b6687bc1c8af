from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from smart_cron.taskrunner import records, runfile
from smart_cron.taskrunner.protocol import is_run_id, to_json
from smart_cron.taskrunner.records import FILE_BYTES, RunTakenError

STARTED = {
    "event": "started",
    "run_id": "run-1",
    "execution_id": 5,
    "started_at": 1_000_000,
    "boot_id": "earlier",
    "output_path": "/no/such/output",
}


def body(record: dict[str, object]) -> bytes:
    return to_json(record).encode()


def test_a_taken_file_reads_as_locked_and_empty(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")

    found = runfile.read(tmp_path, "run-1")

    assert found is not None
    assert (found.locked, found.started, found.finished) == (True, None, None)
    held.close()


def test_room_for_the_result_is_reserved_before_the_start(tmp_path: Path) -> None:
    records.take(str(tmp_path), "run-1").close()

    assert (tmp_path / "run-1").stat().st_blocks * 512 >= FILE_BYTES


def test_a_held_file_cannot_be_taken(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")

    with pytest.raises(RunTakenError, match="another process"):
        records.take(str(tmp_path), "run-1")
    assert runfile.settle(tmp_path, "run-1", 5) is None
    held.close()


def test_reading_does_not_disturb_the_lock(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")
    for _ in range(2):
        found = runfile.read(tmp_path, "run-1")
        assert found is not None
        assert found.locked
    held.close()


def test_a_file_without_records_is_nobodys_and_may_be_taken_again(tmp_path: Path) -> None:
    records.take(str(tmp_path), "run-1").close()

    records.take(str(tmp_path), "run-1").close()


def test_a_started_run_is_never_taken_again(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")
    held.append(body(STARTED))
    held.close()

    with pytest.raises(RunTakenError, match="started"):
        records.take(str(tmp_path), "run-1")


def test_settling_an_absent_run_voids_it(tmp_path: Path) -> None:
    settled = runfile.settle(tmp_path, "run-1", 5)

    assert settled is not None
    assert (settled["cause"], settled["execution_id"]) == ("never_started", 5)
    with pytest.raises(RunTakenError, match="void"):
        records.take(str(tmp_path), "run-1")
    assert runfile.settle(tmp_path, "run-1", 5)["cause"] == "never_started"  # type: ignore[index]


def test_an_absent_run_of_which_the_file_may_have_vanished_with_its_disk_is_lost(tmp_path: Path) -> None:
    settled = runfile.settle(tmp_path, "run-1", 5, claimed_in=runfile.UNRELIABLE)

    assert settled is not None
    assert (settled["cause"], settled["reason"]) == (
        "lost",
        "the disk of the run files failed as it was about to start",
    )
    with pytest.raises(RunTakenError, match="void"):
        records.take(str(tmp_path), "run-1")


def test_a_run_of_an_earlier_boot_is_lost_and_settled_once(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")
    held.append(body(STARTED))
    held.close()

    first = runfile.settle(tmp_path, "run-1", 5)

    assert first is not None
    assert (first["cause"], first["reason"]) == ("lost", "the machine restarted while it ran")
    assert runfile.settle(tmp_path, "run-1", 5) == first


def test_a_finish_that_was_written_is_what_settling_returns(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")
    held.append(body(STARTED))
    finish = runfile.blank_finish("run-1", 5, "exited")
    told = held.append_finish(finish)
    held.close()

    assert runfile.settle(tmp_path, "run-1", 5) == finish == json.loads(told)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.b", "é", "x" * 65, "a\n"])
def test_security_24_only_plain_ids_name_files(tmp_path: Path, name: str) -> None:
    assert not is_run_id(name)
    assert runfile.read(tmp_path, name) is None
    with pytest.raises(ValueError, match="not a run id"):
        runfile.settle(tmp_path, name, 5)


@given(cut=st.integers(0, 400), junk=st.binary(max_size=60))
@example(cut=400, junk=b"")
def test_a_torn_record_is_as_if_it_had_not_been_written(cut: int, junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        held = records.take(place, "run-1")
        held.append(body(STARTED))
        whole = held._end
        held.append(body(runfile.blank_finish("run-1", 5, "exited")))
        length = held._end - whole
        intact = os.pread(held.fd, length, whole)
        os.pwrite(held.fd, junk + b"\0" * 800, whole + min(cut, length - 1))
        is_torn = os.pread(held.fd, length, whole) != intact
        held.close()
        # Junk may by chance be the very bytes that it replaces.
        assume(is_torn)

        found = runfile.read(place, "run-1")

    assert found is not None
    assert found.started == STARTED
    assert found.finished is None


@given(st.binary(max_size=300))
def test_junk_is_no_record(junk: bytes) -> None:
    assert records.parse(junk, "run-1") == ([], 0)


def test_records_of_another_run_are_no_records(tmp_path: Path) -> None:
    held = records.take(str(tmp_path), "run-1")
    held.append(body(STARTED))
    held.close()
    taken = records.take(str(tmp_path), "run-2", spare="run-1")

    assert taken.records == []
    assert not (tmp_path / "run-1").exists()
    assert (tmp_path / "run-2").stat().st_size == FILE_BYTES
    taken.close()


def test_a_spare_that_is_gone_is_done_without(tmp_path: Path) -> None:
    records.take(str(tmp_path), "run-2", spare="gone").close()

    assert (tmp_path / "run-2").exists()


def test_a_spare_never_covers_a_run_that_is_known(tmp_path: Path) -> None:
    runfile.settle(tmp_path, "run-2", 5)
    records.take(str(tmp_path), "spare").close()

    with pytest.raises(RunTakenError):
        records.take(str(tmp_path), "run-2", spare="spare")


@given(
    reason=st.text(max_size=1000),
    names=st.lists(st.text(max_size=40), max_size=20),
    room=st.integers(700, 2000),
)
def test_a_result_is_cut_to_the_room_that_was_reserved(reason: str, names: list[str], room: int) -> None:
    finish = runfile.blank_finish("run-1", 5, "lost", reason)
    finish["leftovers"] = list(names)

    data = records.fit(finish, room)

    assert len(data) <= room
    assert json.loads(data)["cause"] == "lost"


def test_an_incarnation_stays_until_the_state_directory_is_another(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = runfile.incarnation(tmp_path / "a")

    assert runfile.incarnation(tmp_path / "a") == first
    assert runfile.incarnation(tmp_path / "b") != first
    assert os.listdir(tmp_path / "a") == ["incarnation"]


def test_security_36_an_incarnation_is_not_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("planted\n")
    (tmp_path / "incarnation").symlink_to("elsewhere")

    with pytest.raises(OSError, match="symbolic links"):
        runfile.incarnation(tmp_path)
