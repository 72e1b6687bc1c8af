"""Django, configured once a process, without a settings module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps as registry
from django.conf import settings
from django.db import connections

from smart_cron.core.errors import ConfigError
from smart_cron.store.address import database_settings

DEFAULT_TIMEOUT_SECONDS = 30.0
# Grows whenever an alias gets another meaning: a connection that was looked up before may be another database's.
times_configured = 0


def configure(
    url: str,
    *,
    alias: str = "default",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    apps: Sequence[str] = (),
    **options: Any,
) -> None:
    """Make *alias* mean the database at *url*, configuring Django where that has not happened yet.

    *timeout_seconds* bounds connecting and every call. *apps* and *options* are further Django settings and count
    at the first call only. Raise ConfigError for a URL that cannot be used.
    """
    _require_driver(url)
    entry = database_settings(url, timeout_seconds=timeout_seconds)
    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=["smart_cron.store.apps.StoreConfig", *apps],
            DATABASES={},
            USE_TZ=True,
            TIME_ZONE="UTC",
            LOGGING_CONFIG=None,
            **options,
        )
        # Not `django.setup`, which imports all that pages need as well; logging is ours.
        registry.populate(settings.INSTALLED_APPS)
    _add(alias, entry)


def derive(alias: str, *, source: str, **changes: Any) -> None:
    """Make *alias* mean what *source* means, but for these changes to Django's entry."""
    entry = {name: value for name, value in settings.DATABASES[source].items() if name not in ("TEST", "TIME_ZONE")}
    _add(alias, {**entry, **changes})


def _add(alias: str, entry: dict[str, Any]) -> None:
    global times_configured
    times_configured += 1
    if alias in settings.DATABASES:
        connections[alias].close()
        del connections[alias]
    settings.DATABASES[alias] = entry
    if "default" not in settings.DATABASES:
        settings.DATABASES["default"] = {}
    # Django reads DATABASES once; the handler fills in what an entry leaves out.
    connections.settings = connections.configure_settings(settings.DATABASES)  # type: ignore[misc, unused-ignore]


def _require_driver(url: str) -> None:
    if url.startswith(("mysql:", "mariadb:")):
        # No types are needed for the one call.
        import pymysql  # type: ignore[import-untyped, unused-ignore]

        pymysql.install_as_MySQLdb()
    elif url.startswith(("postgresql:", "postgres:")):
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise ConfigError(
                ["PostgreSQL needs the package psycopg"], remedy="Install it with: pip install 'smart-cron[postgres]'."
            ) from None
