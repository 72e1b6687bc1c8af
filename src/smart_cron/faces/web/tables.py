"""The tables that a login needs: made by what listens itself, as soon as the database serves."""

from __future__ import annotations

import threading
from collections.abc import Callable

from smart_cron.config import Config
from smart_cron.core.errors import DatabaseUnavailableError, SmartCronError
from smart_cron.core.ports import Log
from smart_cron.store.gateway import Store, open_store

AGAIN_SECONDS = 5.0


def bring_tables(config: Config, store: Store) -> list[str]:
    """Bring them up to date by the account that may; return the migrations applied. Raise SmartCronError."""
    if config.migrate_url == config.database_url:
        return store.session.migrate_others()
    other = open_store(config.migrate_url, alias="migrate", timeout_seconds=float(config.database.timeout_seconds))
    try:
        return other.session.migrate_others()
    finally:
        other.database.close()


def bring_tables_once_it_serves(config: Config, store: Store, log: Log) -> None:
    """Do so now; where the database is away, keep trying beside everything else. Raise what waiting cannot mend."""
    try:
        _noted(config, store, log)
    except DatabaseUnavailableError:
        threading.Thread(target=_keep_trying, args=(config, store, log), name="tables", daemon=True).start()


def _keep_trying(config: Config, store: Store, log: Log, wait: Callable[[float], object] | None = None) -> None:
    pause = wait or threading.Event().wait
    while True:
        pause(AGAIN_SECONDS)
        try:
            _noted(config, store, log)
        except DatabaseUnavailableError:
            continue
        except SmartCronError as error:
            log.error("Tables of the login cannot be made", reason=str(error))
        return


def _noted(config: Config, store: Store, log: Log) -> None:
    if applied := bring_tables(config, store):
        log.info("Tables of the login are up to date", migrations=applied)
