"""Unit files on the disk: ours are replaced and removed, others' are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.autostart.test_units import startup

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart import (
    MASTER_UNIT,
    UNITS,
    changed_units,
    installed_units,
    remove_unit,
    unit_texts,
    write_unit,
)

TEXTS = unit_texts(startup())


def install(folder: Path) -> None:
    for path in changed_units(TEXTS, folder):
        write_unit(path, TEXTS[path.name])


def test_what_is_written_is_there_for_everyone_to_read_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "system"

    install(folder)

    assert {path.name: path.read_text() for path in folder.iterdir()} == TEXTS
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}


def test_what_is_as_it_should_be_is_not_written_again(tmp_path: Path) -> None:
    install(tmp_path)

    assert changed_units(TEXTS, tmp_path) == []


def test_an_older_unit_of_ours_is_written_anew(tmp_path: Path) -> None:
    install(tmp_path)
    path = tmp_path / MASTER_UNIT
    path.write_text(path.read_text() + "# older\n")

    assert changed_units(TEXTS, tmp_path) == [path]


def masked(path: Path) -> None:
    path.symlink_to("/dev/null")


def planted(path: Path) -> None:
    """A link whose target carries our mark is no unit of ours (SECURITY 36)."""
    target = path.with_name("target")
    target.write_text(TEXTS[MASTER_UNIT])
    path.symlink_to(target)


def foreign(path: Path) -> None:
    path.write_text("[Service]\nExecStart=/bin/true\n")


def folder_instead(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("stand", [masked, planted, foreign, folder_instead])
def test_what_somebody_else_put_there_is_told_and_stays(stand, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stand(tmp_path / MASTER_UNIT)

    with pytest.raises(SmartCronError, match=r"smart-cron\.service is there and was not written by Smart Cron"):
        changed_units(TEXTS, tmp_path)
    assert installed_units(tmp_path) == []


def test_units_of_ours_are_found_and_removed_the_master_first(tmp_path: Path) -> None:
    install(tmp_path)
    found = installed_units(tmp_path)
    for path in found:
        remove_unit(path)

    assert [path.name for path in found] == list(reversed(UNITS))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SmartCronError, match=r"a\.service cannot be written: .+\. Call it as root"):
        write_unit(tmp_path / "file" / "a.service", "")
