from __future__ import annotations

import os
from pathlib import Path

import pytest

from smart_cron.core.errors import SmartCronError
from smart_cron.services.crontab import read_crontab, system_crontabs, take_over
from smart_cron.services.crontab.lines import CrontabLine


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "cron.d").mkdir()
    for name in ("crontab", "cron.d/php", "cron.d/e2scrub_all"):
        write(tmp_path / name)
    return tmp_path


def write(path: Path, text: str = "@daily root true\n") -> Path:
    path.write_text(text)
    path.chmod(0o644)
    return path


def test_reads_etc_crontab_and_the_files_of_cron_d(etc: Path) -> None:
    found = system_crontabs(etc, owner=os.geteuid())

    assert found.files == (etc / "crontab", etc / "cron.d/e2scrub_all", etc / "cron.d/php")
    assert found.passed_over == ()


def test_a_machine_without_any_has_none(tmp_path: Path) -> None:
    assert system_crontabs(tmp_path).files == ()


def test_a_name_with_a_dot_is_passed_over_as_cron_does_and_said(etc: Path) -> None:
    write(etc / "cron.d/php.dpkg-old")

    assert "php.dpkg-old" in system_crontabs(etc, owner=os.geteuid()).passed_over[0]


def test_a_file_that_others_may_write_is_passed_over(etc: Path) -> None:
    (etc / "cron.d/php").chmod(0o664)
    found = system_crontabs(etc, owner=os.geteuid())

    assert etc / "cron.d/php" not in found.files
    assert "may write" in found.passed_over[0]


def test_a_file_of_another_owner_is_passed_over(etc: Path) -> None:
    assert len(system_crontabs(etc, owner=os.geteuid() + 1).passed_over) == 3


def test_links_count_but_not_to_nothing_and_not_to_folders(etc: Path) -> None:
    (etc / "cron.d/link").symlink_to(etc / "crontab")
    (etc / "cron.d/dangling").symlink_to(etc / "nowhere")
    (etc / "cron.d/folder").mkdir()
    found = system_crontabs(etc, owner=os.geteuid())

    assert etc / "cron.d/link" in found.files
    assert len(found.passed_over) == 2


def jobs(path: Path) -> tuple[CrontabLine, ...]:
    return read_crontab(path.read_bytes(), system=True, source=str(path), user=None, is_user=lambda _name: True).jobs


def test_take_over_comments_lines_out_and_keeps_the_original(etc: Path) -> None:
    text = "# head\n@daily root one\nA=1\n  @daily root two\r\n@daily root three"
    path = write(etc / "cron.d/php")
    path.write_bytes(text.encode())
    path.chmod(0o640)

    copy = take_over(path, jobs(path)[:2])

    assert path.read_bytes() == (
        b"# head\n#smart-cron# @daily root one\nA=1\n#smart-cron#   @daily root two\r\n@daily root three"
    )
    assert path.stat().st_mode & 0o777 == 0o640
    assert copy.read_bytes() == text.encode()
    assert "." in copy.name
    assert sorted(os.listdir(path.parent)) == ["e2scrub_all", "php", copy.name]


def test_taking_over_twice_changes_nothing_and_keeps_the_first_original(etc: Path) -> None:
    path = etc / "cron.d/php"
    lines = jobs(path)
    copy = take_over(path, lines)
    after, original = path.read_bytes(), copy.read_bytes()

    assert take_over(path, lines) == copy
    assert (path.read_bytes(), copy.read_bytes()) == (after, original)


def test_a_line_that_changed_meanwhile_stops_the_whole_take_over(etc: Path) -> None:
    path = write(etc / "cron.d/php", "@daily root one\n@daily root two\n")
    lines = jobs(path)
    write(path, "@daily root one\n@daily root changed\n")

    with pytest.raises(SmartCronError, match="line 2"):
        take_over(path, lines)
    assert path.read_text() == "@daily root one\n@daily root changed\n"


def test_a_link_is_not_followed(etc: Path) -> None:
    link = etc / "cron.d/link"
    link.symlink_to(etc / "crontab")

    with pytest.raises(SmartCronError, match="link"):
        take_over(link, jobs(link))


def test_a_byte_order_mark_stands_in_no_ones_way(etc: Path) -> None:
    path = write(etc / "cron.d/php", "\ufeff@daily root one\n")
    take_over(path, jobs(path))

    assert jobs(path) == ()
