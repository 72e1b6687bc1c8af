"""`smart-cron metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smart_cron.faces.cli.documents import print_json
from smart_cron.faces.cli.options import json_option
from smart_cron.faces.cli.session import Session, pass_session

if TYPE_CHECKING:
    from smart_cron.core.exported import Figures


@click.command()
@click.option("--write", "file", type=click.Path(path_type=Path), help="Write them whole into this file, mode 644.")
@json_option
@pass_session
def metrics(session: Session, /, *, file: Path | None, as_json: bool) -> None:
    """Print the figures of this moment as Prometheus reads them.

    With --write they go into a file instead, for the textfile collector of node_exporter; the setting metrics.textfile
    has the master write it each minute.
    """
    if file is not None and as_json:
        raise click.UsageError("--write writes the text that Prometheus reads: leave out --json.")
    from smart_cron.wiring.metering import metrics_text, write_textfile

    with session.house() as house:
        if file is not None:
            write_textfile(house, file.absolute())
        elif as_json:
            print_json(_document(house.store.figures.figures(named=house.config.metrics.task_label_limit)))
        else:
            click.echo(metrics_text(house), nl=False)


def _document(figures: Figures) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(figures)
