"""Django's settings for what listens, and the store under them."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from smart_cron.config import Config
from smart_cron.faces.web.django_apps import APPS, application_settings
from smart_cron.faces.web.gate import MOST_BODY_BYTES
from smart_cron.faces.web.keys import own_key
from smart_cron.store.gateway import Store, open_store
from smart_cron.store.setup import configure

# A client waits for us as we wait for the database: never as long as a task's result may take to be written.
DATABASE_SECONDS = 5.0
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


def open_web_store(config: Config, *, host: str = "", is_secure: bool = False) -> Store:
    """Return the store of a process that serves pages: Django is set up for both. Raise ConfigError."""
    timeout = min(DATABASE_SECONDS, float(config.database.timeout_seconds))
    settings = django_settings(config, host=host, is_secure=is_secure)
    return open_store(config.database_url, timeout_seconds=timeout, **settings)


def know_logins(config: Config) -> None:
    """Let a command that serves nothing know the tables of accounts; call it before the store is opened.

    It signs nothing, so its secret is anything, and none is made for the home.
    """
    settings = django_settings(config, host="", key=secrets.token_urlsafe())
    configure(config.database_url, timeout_seconds=config.database.timeout_seconds, **settings)


def django_settings(config: Config, *, host: str, is_secure: bool = False, key: str = "") -> dict[str, Any]:
    """Return what Django is to know. The secret is this installation's own, made at the first start."""
    # Without a configuration Django's loggers would print every 404 to standard error, and those of axes what the audit
    # log tells.
    for name in ("django", "uvicorn", "axes"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    return {
        "DEBUG": False,
        "SECRET_KEY": key or own_key(config.state_dir / "web.key"),
        "ALLOWED_HOSTS": allowed_hosts(config, host=host),
        "ROOT_URLCONF": "smart_cron.faces.web.urls",
        "apps": APPS,
        **application_settings(config, is_secure=is_secure),
        "APPEND_SLASH": False,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": MOST_BODY_BYTES,
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": 500,
        "FILE_UPLOAD_HANDLERS": [],
        "USE_X_FORWARDED_HOST": False,
    }


def allowed_hosts(config: Config, *, host: str) -> list[str]:
    """Return the names under which we answer."""
    own = [] if host in EVERYWHERE else [f"[{host}]" if ":" in host else host]
    return list(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", *own, *config.web.allowed_hosts]))
