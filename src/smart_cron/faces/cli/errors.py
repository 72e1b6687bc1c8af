"""Errors in one place: a sentence on standard error with its remedy, and a stable exit code.

0 is done, 1 failed, 2 called wrongly; 130 and 141 are what shells report for Ctrl-C and for a reader that left.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import click

from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.faces.cli.text import printable

DONE, FAILED, USAGE = 0, 1, 2
INTERRUPTED, READER_LEFT = 130, 141
DEBUG = "SMART_CRON_DEBUG"


def complain(sentence: str) -> None:
    """Say on standard error what is wrong."""
    click.echo(f"smart-cron: {printable(sentence)}", err=True)


def note(sentence: str) -> None:
    """Say on standard error what a person at a terminal should know beside the answer."""
    click.echo(printable(sentence), err=True)


def exit_code_of(work: Callable[[], object]) -> int:
    """Do the work and return the exit code for it; whatever it raises becomes a sentence and a code."""
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return READER_LEFT
    except (KeyboardInterrupt, click.exceptions.Abort):
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SmartCronError as error:
        _debug()
        _complain_of(error)
        return FAILED
    except Exception as error:  # noqa: BLE001  the outermost frame: the alternative is a traceback in a person's face
        return _unexpected(error)
    return code if isinstance(code, int) else DONE


def _complain_of(error: SmartCronError) -> None:
    if not isinstance(error, ConfigError) or len(error.problems) == 1:
        complain(f"{_sentence(error.message)} {error.remedy}".rstrip())
        return
    # Whoever mends a file of settings goes through a list, not through a line.
    complain(f"{len(error.problems)} problems:")
    for line in (*(f"  {_sentence(problem)}" for problem in error.problems), *filter(None, [error.remedy])):
        note(line)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", ":")) or not text else f"{text}."


def _unexpected(error: Exception) -> int:
    if not _debug():
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        complain(f"this went wrong in a way nobody foresaw: {what}. Set {DEBUG}=1 to see where.")
    return FAILED


def _debug() -> bool:
    """Print the traceback where somebody asked for it."""
    if not os.environ.get(DEBUG):
        return False
    traceback.print_exc()
    return True


def _drop_output() -> None:
    """Let the interpreter's last flush find a stream that takes everything."""
    nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
