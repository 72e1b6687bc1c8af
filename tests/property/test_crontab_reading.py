from __future__ import annotations

import pytest
from crontab import CronTab
from hypothesis import given
from hypothesis import strategies as st

from smart_cron.services.crontab import LineKind, read_crontab, to_definitions

pytestmark = pytest.mark.slow

FIELDS = st.sampled_from(
    ["*", "*/5", "0", "1-5", "1,2", "jan", "mon", "99", "@daily", "@reboot", "%", "\\", "#", "\t", "\r"]
)
WORDS = st.one_of(
    FIELDS, st.sampled_from(["root", "A=1", "MAILTO=", "CRON_TZ=UTC", '"', "'", " ", "="]), st.text(max_size=8)
)
TEXTS = st.lists(st.lists(WORDS, max_size=9).map(" ".join), max_size=8).map("\n".join)
COMMAND_WORDS = st.text("abcxyz/._-", min_size=1, max_size=8)


@given(st.one_of(st.binary(max_size=200), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))), st.booleans())
def test_no_input_breaks_the_reader_and_no_line_is_lost(data: bytes, system: bool) -> None:
    reading = read_crontab(data, system=system, source="x", user=None, is_user=lambda name: name == "root")

    bare = data.removeprefix(b"\xef\xbb\xbf")
    expected = bare.removesuffix(b"\n").split(b"\n") if bare else []
    assert [line.number for line in reading.lines] == list(range(1, len(expected) + 1))
    assert [line.text for line in reading.lines] == [
        raw.removesuffix(b"\r").decode("utf-8", "replace") for raw in expected
    ]
    assert all(bool(line.problem) == (line.kind is LineKind.INVALID) for line in reading.lines)


@given(TEXTS)
def test_every_job_becomes_one_task_with_a_name_and_an_origin_of_its_own(text: str) -> None:
    reading = read_crontab(text.encode("utf-8", "replace"), system=False, source="x", user="ann")
    tasks = to_definitions(reading)

    assert [task.line for task in tasks] == list(reading.jobs)
    assert len({task.definition.name for task in tasks}) == len(tasks)
    assert len({task.definition.origin for task in tasks}) == len(tasks)


@given(TEXTS)
def test_a_second_import_has_nothing_new(text: str) -> None:
    reading = read_crontab(text.encode("utf-8", "replace"), system=False, source="x", user="ann")
    known = {str(task.definition.origin): task.definition.name for task in to_definitions(reading)}

    again = to_definitions(reading, known=known, taken=set(known.values()))

    assert not any(task.is_new for task in again)
    assert {task.definition.name for task in again} == set(known.values())


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["*/5 * * * *", "0 2 * * 0", "@daily", "1,2 3-4 * * *", "15 10 1 * *"]),
            st.lists(COMMAND_WORDS, min_size=1, max_size=4).map(" ".join),
        ),
        max_size=6,
    )
)
def test_reads_ordinary_lines_as_python_crontab_does(jobs: list[tuple[str, str]]) -> None:
    text = "".join(f"{schedule} {command}\n" for schedule, command in jobs)

    ours = [
        (line.schedule, line.command) for line in read_crontab(text.encode(), system=False, source="x", user="a").jobs
    ]
    theirs = [(str(job.slices), str(job.command)) for job in CronTab(tab=text)]

    assert ours == theirs == jobs
