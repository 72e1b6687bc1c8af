from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import click
import pytest

from smart_cron.core.task import Limits, OnOverlap, TaskDefinition
from smart_cron.faces.cli.fields import FIELDS, LIMIT, changed_definition, differences, given, new_definition
from smart_cron.faces.cli.options import NOTHING, Assignment, ExitCodes, OptionalNumber, OptionalText, Span

BASE = TaskDefinition(name="a", script="/srv/a.sh", schedule="@daily", environment={"A": "1"}, time_zone="UTC")
NOT_OPTIONS = {"name", "limits", "origin", "arguments", "environment"}


def test_everything_that_a_person_decides_has_an_option() -> None:
    ours = {field.field for field in FIELDS}

    assert {f.name for f in fields(TaskDefinition)} - NOT_OPTIONS == {name for name in ours if LIMIT not in name}
    assert {LIMIT + f.name for f in fields(Limits)} == {name for name in ours if LIMIT in name}


def test_what_is_not_given_is_not_changed() -> None:
    assert given({field.parameter: None for field in FIELDS}) == {}
    assert changed_definition(BASE, {}) == BASE


def test_a_false_flag_and_a_zero_are_given() -> None:
    assert given({"enabled": False, "max_retries": 0}) == {"enabled": False, "max_retries": 0}


def test_an_emptied_field_becomes_none() -> None:
    values = given({"time_zone": NOTHING, "limits_memory_mb": NOTHING})

    changed = changed_definition(BASE, values)

    assert changed.time_zone is None
    assert changed.limits.memory_mb is None


def test_a_command_takes_the_place_of_a_script_and_back() -> None:
    command = changed_definition(BASE, {"shell_command": "true"})

    assert (command.script, command.shell_command) == (None, "true")
    assert changed_definition(command, {"script": "/srv/b.sh"}).shell_command is None


def test_environment_is_added_to_and_arguments_are_replaced() -> None:
    changed = changed_definition(BASE, {"environment": {"B": "2"}, "arguments": ("x",)})

    assert changed.environment == {"A": "1", "B": "2"}
    assert changed.arguments == ("x",)


def test_limits_and_words_find_their_places() -> None:
    made = new_definition("n", {"limits.nice": 5, "on_overlap": "queue", "schedule": "@daily", "script": "/x"})

    assert made.limits == Limits(nice=5)
    assert made.on_overlap is OnOverlap.QUEUE


def test_differences_name_each_changed_field_once() -> None:
    after = changed_definition(BASE, {"timeout": timedelta(seconds=5), "limits.nice": 3})

    assert differences(BASE, after) == {"timeout": (timedelta(hours=1), timedelta(seconds=5)), "nice": (0, 3)}


@pytest.mark.parametrize(("text", "seconds"), [("300", 300), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86_400)])
def test_spans_are_read_with_their_units(text: str, seconds: int) -> None:
    assert Span().convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "x", "5 w", "1.5h", "٣", "none", "99999999999"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no length of time"):
        Span().convert(text, None, None)


def test_none_clears_what_may_be_empty() -> None:
    assert Span(optional=True).convert("none", None, None) is NOTHING
    assert OptionalNumber().convert("None", None, None) is NOTHING
    assert OptionalText().convert("", None, None) is NOTHING
    assert OptionalNumber().convert("512", None, None) == 512


@pytest.mark.parametrize("text", ["", "0,", "0;3", "²"])
def test_what_is_no_list_of_exit_codes_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="exit codes"):
        ExitCodes().convert(text, None, None)


def test_exit_codes_and_assignments_are_read() -> None:
    assert ExitCodes().convert("0,3", None, None) == (0, 3)
    assert Assignment().convert("A=b=c", None, None) == ("A", "b=c")


@pytest.mark.parametrize("text", ["A", "=b"])
def test_an_assignment_needs_a_name_and_an_equals_sign(text: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        Assignment().convert(text, None, None)
