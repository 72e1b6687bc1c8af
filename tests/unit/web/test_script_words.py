"""No sentence stands in a script: words come from the catalogue that the page brings, in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smart_cron.faces import web
from smart_cron.faces.web.script_words import WORDS

STATIC = Path(str(web.__file__)).parent / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
# Comments, then what is quoted; a pattern between slashes is none of both.
_PARTS = re.compile(
    r"//[^\n]*|/\*.*?\*/|(?P<pattern>(?<=[(=,:&|!]\s)/[^/\n]+/\w*|(?<=[(=,:&|!])/[^/\n]+/\w*)"
    r'|"(?P<plain>(?:\\.|[^"\\])*)"|`(?P<filled>(?:\\.|[^`\\])*)`',
    re.DOTALL,
)
_SELECTOR = re.compile(r"[\[\]>]|(^|\s)[.#][a-z]")
_FIELD = re.compile(r"\$\{[^{}]*(\{[^{}]*\}[^{}]*)*\}")
ALLOWED = {"use strict"}


def sentences(script: str) -> list[str]:
    """Return what is quoted in a script and reads like words for people."""
    found = []
    for part in _PARTS.finditer(script):
        text = part["plain"] if part["plain"] is not None else part["filled"]
        if text is None or text in ALLOWED or _SELECTOR.search(_FIELD.sub("", text)):
            continue
        said = _FIELD.sub("\0", text)
        if re.search(r"[A-Za-z]\s+[A-Za-z\0]|\0\s+[A-Za-z]|^[A-Z][a-z]+[.!?…]$", said):
            found.append(text)
    return found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_sentence_stands_in_a_script(path: Path) -> None:
    assert sentences(path.read_text()) == []


@pytest.mark.parametrize(
    "script",
    [
        'say("Asking every 30 seconds");',
        "return `${coarse(away)} ago`;",
        "return `in ${coarse(away)}`;",
        "return `${Math.floor(s / 60)} min ${s % 60} s`;",
        'state.textContent = "The connection is lost.";',
        'label = "Gone.";',
    ],
)
def test_a_sentence_would_be_found(script: str) -> None:
    assert len(sentences(script)) == 1


@pytest.mark.parametrize(
    "script",
    ['"use strict";', 'of("main .rows tbody tr, main [data-rows] > *")', "`${url}?at=${mark}`", 'x("use", "icon")'],
)
def test_what_is_for_machines_is_no_sentence(script: str) -> None:
    assert sentences(script) == []


def test_scripts_ask_for_no_word_that_the_catalogue_has_not_and_the_other_way_round() -> None:
    text = "\n".join(path.read_text() for path in SCRIPTS)
    asked = set(re.findall(r'word\("([^"]+)"', text)) | set(re.findall(r"const \{ (\w+) \} = JSON", text))

    assert asked == set(WORDS)
