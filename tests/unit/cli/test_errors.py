from __future__ import annotations

import click
import pytest

from smart_cron.core.errors import InvalidInputError, SmartCronError, UnknownTaskError
from smart_cron.faces.cli.errors import FAILED, INTERRUPTED, USAGE, exit_code_of


def _raise(error: BaseException) -> int:
    def work() -> None:
        raise error

    return exit_code_of(work)


def test_a_known_error_is_one_sentence_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert _raise(UnknownTaskError("nightly")) == FAILED

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "smart-cron: there is no task 'nightly'. 'smart-cron task list' shows them all.\n"


def test_several_faults_come_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert _raise(InvalidInputError(["a is wrong", "b is wrong"])) == FAILED

    assert capsys.readouterr().err == "smart-cron: 2 problems: a is wrong; b is wrong.\n"


def test_security_30_an_error_cannot_forge_lines_or_act_upon_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _raise(SmartCronError("no file 'a\nsmart-cron: all is well\x1b[2J'."))

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_what_nobody_foresaw_is_a_sentence_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert _raise(ZeroDivisionError("division by zero")) == FAILED

    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "ZeroDivisionError: division by zero" in err
    assert "SMART_CRON_DEBUG=1" in err


def test_the_traceback_is_there_for_who_asks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMART_CRON_DEBUG", "1")
    _raise(ZeroDivisionError())

    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(click.UsageError("no"), USAGE), (KeyboardInterrupt(), INTERRUPTED), (click.exceptions.Abort(), INTERRUPTED)],
)
def test_each_way_out_has_its_code(error: BaseException, code: int) -> None:
    assert _raise(error) == code


def test_a_returned_number_is_the_exit_code_and_nothing_is_success() -> None:
    assert exit_code_of(lambda: 7) == 7
    assert exit_code_of(lambda: None) == 0
