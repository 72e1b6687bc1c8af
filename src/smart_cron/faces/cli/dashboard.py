"""`smart-cron dashboard`: what listens."""

from __future__ import annotations

import click

from smart_cron.faces.cli.options import listening_options
from smart_cron.faces.cli.session import Session, pass_session


@click.command()
@listening_options
@pass_session
def dashboard(session: Session, /, *, host: str | None, port: int | None, behind_proxy: bool) -> None:
    """Serve the dashboard, /healthz, /readyz, /metrics and /ping/KEY, until SIGTERM or Ctrl-C.

    'smart-cron user add' says who may log in; where nobody may yet, a link is printed that makes the first admin.

    It listens on this machine alone unless --host says otherwise. /metrics asks for the key in metrics.key of the
    state directory.
    """
    from smart_cron.faces.cli.serving import open_place, place_of, serve_until_signal
    from smart_cron.home import make_database_file, require_closed_to_others, require_home, require_owner

    config = session.config()
    place = place_of(config, host=host, port=port, behind_proxy=behind_proxy)
    require_home(config)
    require_owner(config)
    require_closed_to_others(config)
    make_database_file(config)
    serve_until_signal(config, place, open_place(place))
