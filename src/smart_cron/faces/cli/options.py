"""Options and kinds of values that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from smart_cron.core.spans import read_span

if TYPE_CHECKING:
    Kind = click.ParamType[Any]
else:
    # Generic only in newer releases of click than we ask for.
    Kind = click.ParamType

Command = TypeVar("Command", bound=Callable[..., Any])
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def listening_options(command: Command) -> Command:
    """Add the options of what listens."""
    for option in (
        click.option(
            "--behind-proxy", is_flag=True, help="Believe the proxies of web.trusted_proxies who the client is."
        ),
        click.option("--port", type=click.IntRange(0, 65_535), help="Port, 0 for any that is free [default: 8765]."),
        click.option("--host", help="Address to listen on [default: 127.0.0.1, this machine alone]."),
    ):
        command = option(command)
    return command


NOTHING = object()  # an option's `none`: an empty column, as against an option that was not given


class Span(Kind):
    """A length of time: seconds, or a number with s, m, h or d. `none` where `optional`."""

    name = "seconds"

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if self.optional and value.lower() == "none":
            return NOTHING
        found = read_span(value)
        if found is None:
            self.fail(f"'{value}' is no length of time; write seconds, or 90s, 5m, 2h, 1d.", param, ctx)
        return found


class OptionalNumber(Kind):
    """A whole number, or `none`."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if value.lower() == "none":
            return NOTHING
        if not re.fullmatch(r"-?[0-9]{1,15}", value, re.ASCII):
            self.fail(f"'{value}' is neither a whole number nor none.", param, ctx)
        return int(value)


class OptionalText(Kind):
    """A text; an empty one, as in `--zone ''`, clears the column."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        del param, ctx
        return NOTHING if value == "" else value


class ExitCodes(Kind):
    """Exit codes separated by commas."""

    name = "codes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"[0-9]{1,3}(,[0-9]{1,3})*", value, re.ASCII):
            self.fail(f"'{value}' is no list of exit codes; write them like 0,3.", param, ctx)
        return tuple(int(code) for code in value.split(","))


class Assignment(Kind):
    """`NAME=VALUE`."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"'{value}' is not of the form NAME=VALUE.", param, ctx)
        return name, text
