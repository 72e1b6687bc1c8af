"""Each check of the list of 44 has a file of its number, so that none can go unseen.

`python tests/security/test_index.py` prints which stand where.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

CHECKS = range(1, 45)
TESTS = Path(__file__).parents[1]
# test_security_NN.py; several numbers where one walk answers for all of them, and words for what it is about.
NAME = re.compile(r"test_security((?:_\d\d)+)(?:_[a-z][a-z_]*)?\.py")


def files_by_number() -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_security_*.py")):
        named = NAME.fullmatch(path.name)
        assert named, f"{path.name} does not say which check it is"
        for number in re.findall(r"\d\d", named[1]):
            found[int(number)].append(str(path.relative_to(TESTS)))
    return found


def test_every_check_has_a_file_and_no_file_a_check_that_there_is_not() -> None:
    found = files_by_number()

    assert [number for number in CHECKS if number not in found] == []
    assert set(found) == set(CHECKS)


def test_every_file_has_a_test_and_says_its_numbers_first() -> None:
    for number, paths in files_by_number().items():
        for path in paths:
            text = (TESTS / path).read_text()
            assert re.search(r"^(?:async )?def test_", text, re.MULTILINE), path
            assert re.search(rf'^""".*SECURITY.*\b{number}\b', text), path


if __name__ == "__main__":
    for number in CHECKS:
        print(f"{number:2}  {', '.join(files_by_number().get(number, ['missing']))}")  # noqa: T201  what it is for
