"""A group of commands whose files are imported when they are used, and no sooner."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

ROOM = "smart_cron.faces.cli"


class LazyGroup(click.Group):
    """Commands by name, each as ("module:attribute", one line of help), in the order in which help lists them.

    The line of help stands here a second time so that `--help` of a group imports no command; a test holds both
    together. Aliases work and are not listed.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]],
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy, self.aliases = dict(lazy), dict(aliases or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        place = self.lazy.get(self.aliases.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, _, attribute = place[0].partition(":")
        command: click.Command = getattr(import_module(f"{ROOM}.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command '{args[0]}'{self._meant(args)}")
        return super().resolve_command(ctx, args)

    def _meant(self, args: Sequence[str]) -> str:
        close = difflib.get_close_matches(args[0], [*self.lazy, *self.aliases], n=1)
        return f", did you mean '{close[0]}'?" if close else ", --help lists them all."

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])
