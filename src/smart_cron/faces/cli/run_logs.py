"""`run logs`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from smart_cron.core.run import Status
from smart_cron.faces.cli.errors import note
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.output import LOOK_AGAIN_SECONDS, OutputPrinter, output_path
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.wiring import House

# How many looks at the file there are to one at the database.
LOOKS_PER_ROW = 5


@click.command()
@click.argument("number", metavar="RUN")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is printed, until the run ends.")
@click.option("--stdout", "stream", flag_value="stdout", default=None, help="Standard output only.")
@click.option("--stderr", "stream", flag_value="stderr", help="Standard error only.")
@json_option
@pass_session
def logs(session: Session, /, *, number: str, follow: bool, stream: str | None, as_json: bool) -> None:
    """Print a run's output as it was printed, byte for byte, both streams in the order of reading.

    --json prints one object for each piece: stream, milliseconds since the start, text.
    """
    with session.house() as house:
        row = house.store.history.run(number)
        if as_json:
            _print_pieces(house, row, stream)
        elif follow and not Status(row["status"]).is_final:
            _follow(house, row, stream)
        else:
            _print_all(house, row, stream)


def _print_pieces(house: House, row: Mapping[str, Any], stream: str | None) -> None:
    from smart_cron.faces.cli.documents import print_json_line
    from smart_cron.taskrunner.reading import OutputReader

    path = output_path(house.config, row)
    for chunk in OutputReader(path).read(stream) if path else ():
        print_json_line({"stream": chunk.stream, "milliseconds": chunk.milliseconds, "text": chunk.data})


def _print_all(house: House, row: Mapping[str, Any], stream: str | None) -> None:
    path = output_path(house.config, row)
    if path is not None and path.exists():
        OutputPrinter(path, stream=stream).print_new()
        return
    kept = [row[f"{name}_output"] or "" for name in ("stdout", "stderr") if stream in (None, name)]
    sys.stdout.buffer.write("".join(kept).encode("utf-8", "replace"))
    if path is not None and any(kept):
        note(f"The file {path} is not on this machine; this is the copy in the database, which may be cut.")
    elif not Status(row["status"]).is_final:
        note(f"Run {row['id']} has printed nothing yet; -f waits for it.")


def _follow(house: House, row: Mapping[str, Any], stream: str | None) -> None:
    """Look at the file often and at the row now and then; the file once more after the row is final."""
    printer: OutputPrinter | None = None
    looks = 0
    while True:
        is_over = Status(row["status"]).is_final
        if printer is None and (path := output_path(house.config, row)):
            printer = OutputPrinter(path, stream=stream)
        if printer is not None:
            printer.print_new()
        if is_over:
            return
        time.sleep(LOOK_AGAIN_SECONDS)
        looks += 1
        if looks % LOOKS_PER_ROW == 0:
            row = house.store.history.run(str(row["id"]))
