from __future__ import annotations

import io

import pytest
from rich.console import Console

from smart_cron.faces.cli.tables import Cell, Column, plain_lines, rich_table, show_table

COLUMNS = (Column(title="Task", gives_way=True), Column(title="State"), Column(title="OK", right=True))


def test_in_a_pipe_columns_are_aligned_and_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [["a" * 200, "enabled", "5 %"], ["b", "running", "100 %"]], empty="none")

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["TASK", "STATE", "OK"]
    assert lines[1] == "a" * 200 + "  enabled    5 %"
    assert lines[2].endswith("running  100 %")


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [], empty="There are no tasks.")

    assert capsys.readouterr().out == "There are no tasks.\n"


def test_security_22_names_cannot_act_upon_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(COLUMNS, [["\x1b]0;owned\x07", "[bold]enabled[/bold]", "\r0 %"]], empty="none")

    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\r" not in out
    assert "[bold]enabled[/bold]" in out


@pytest.mark.parametrize("width", [80, 120])
def test_on_a_terminal_each_row_stays_on_one_line(width: int) -> None:
    rows = [[Cell("task-" + "x" * 120), Cell("enabled"), Cell("100 %")]] * 3
    out = _printed(rows, width)

    assert len(out.splitlines()) == 4
    assert all(len(line) <= width for line in out.splitlines())
    assert out.count("100 %") == 3


def test_on_a_terminal_a_long_title_is_cut_and_not_wrapped() -> None:
    columns = (Column(title="A title that goes on and on", gives_way=True), Column(title="x" * 60))
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(rich_table(columns, [[Cell("a" * 40), Cell("b")]]))

    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == 2


def test_plain_lines_end_without_blanks() -> None:
    lines = plain_lines(COLUMNS[:2], [[Cell("a"), Cell("")]])

    assert all(line == line.rstrip() for line in lines)


def _printed(rows: list[list[Cell]], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(rich_table(COLUMNS, rows))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
