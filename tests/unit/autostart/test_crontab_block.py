"""Our lines in somebody's crontab: put in once, taken out whole, and not a byte of theirs changed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.autostart.test_units import startup

from smart_cron.core.errors import SmartCronError
from smart_cron.services.autostart import crontab_block, with_block, without_block
from smart_cron.services.autostart.crontab_block import BEGIN, END
from smart_cron.services.crontab import read_crontab

BLOCK = crontab_block(startup(), commands={"master"})
THEIRS = b"MAILTO=root\n\n# nightly\n0 2 * * * /usr/bin/backup\n"


def test_the_line_is_the_specifications() -> None:
    line = BLOCK.splitlines()[1]

    assert line.startswith(b"* * * * * ")
    assert line.endswith(b"/srv/venv/bin/smart-cron master --once >> /var/log/smart-cron/master.log 2>&1")


def test_commands_that_do_not_exist_yet_get_no_line() -> None:
    every = crontab_block(startup(), commands={"master", "health", "cleanup"}).splitlines()

    assert len(BLOCK.splitlines()) == 3
    assert [line.split(b" umask")[0] for line in every[1:-1]] == [b"* * * * *", b"*/5 * * * *", b"0 2 * * *"]


def test_cron_hands_the_shell_the_line_with_every_path_whole() -> None:
    odd = startup(program=("/srv/50% a'b/smart-cron",), home=Path("/srv/50% $x"), log_dir=Path("/var/log/1%"))

    reading = read_crontab(crontab_block(odd, commands={"master"}), system=False, source="test", user="ann")

    (job,) = reading.jobs
    called, _, target = job.command.partition(" >> ")
    assert (reading.faults, job.stdin_text) == ((), None)
    assert shlex.split(called)[2:] == ["SMART_CRON_HOME=/srv/50% $x", "/srv/50% a'b/smart-cron", "master", "--once"]
    assert shlex.split(target) == ["/var/log/1%/master.log", "2>&1"]


@pytest.mark.parametrize("before", [b"", THEIRS, THEIRS.rstrip(b"\n"), b"\xff\xfe # not UTF-8\n"])
def test_the_lines_go_to_the_end_and_out_again(before: bytes) -> None:
    inside = with_block(before, BLOCK)

    assert inside.endswith(b"\n" + BLOCK) or inside == BLOCK
    assert without_block(inside).rstrip(b"\n") == before.rstrip(b"\n")


def test_older_lines_of_ours_are_replaced_where_they_stand() -> None:
    older = BLOCK.replace(b"/srv/venv", b"/opt/older")

    assert with_block(THEIRS + older + b"@daily x\n", BLOCK) == THEIRS + BLOCK + b"@daily x\n"


@pytest.mark.parametrize("torn", [BEGIN + b"\n* * * * * x\n", b"* * * * * x\n" + END + b"\n", BLOCK + END + b"\n"])
def test_a_single_mark_is_told_and_nothing_is_guessed(torn: bytes) -> None:
    with pytest.raises(SmartCronError, match="only one of the two marks"):
        with_block(torn, BLOCK)
    with pytest.raises(SmartCronError, match="only one of the two marks"):
        without_block(torn)


@given(st.lists(st.sampled_from([b"", b"# x", b"0 2 * * * a", BLOCK.rstrip(b"\n"), b"\xff"])).map(b"\n".join))
def test_the_lines_are_there_once_whatever_stood_there(crontab: bytes) -> None:
    crontab += b"\n"
    once = with_block(crontab, BLOCK)

    assert once.count(BEGIN) == once.count(END) == 1
    assert with_block(once, BLOCK) == once
    assert without_block(once) == without_block(crontab)
