"""A database URL, read: what Django needs to connect, and what may be shown of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from smart_cron.core.errors import ConfigError

_FORMS = "sqlite:///absolute/path, mysql://, mariadb:// or postgresql:// followed by user:password@host:port/name"
_SERVERS = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
}
_OPTIONS = {"mysql": {"unix_socket", "ssl_ca"}, "postgresql": {"host", "sslmode", "sslrootcert"}}

# Zero dates stay readable and copyable: rows of other clients may hold them, and one must not stop a batch.
_MYSQL_SESSION = (
    "SET SESSION time_zone = '+00:00', default_storage_engine = InnoDB, sql_mode = 'STRICT_TRANS_TABLES,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = {lock_wait}"
)
# Durable before told: in WAL mode only FULL syncs each commit, and a claim lost in a power cut is a second start.
_SQLITE_SESSION = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"


def database_settings(url: str, *, timeout_seconds: float) -> dict[str, Any]:
    """Return Django's entry for *url*. Raise ConfigError, which never shows the password, where it cannot be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError(["the database URL cannot be read: write " + _FORMS]) from None
    if parts.scheme == "sqlite":
        return _sqlite(parts, timeout_seconds)
    if parts.scheme not in _SERVERS:
        raise ConfigError([f"the database URL begins with '{parts.scheme}:': write {_FORMS}"])
    return _server(parts, _SERVERS[parts.scheme], timeout_seconds)


def _sqlite(parts: SplitResult, timeout_seconds: float) -> dict[str, Any]:
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or path == "/" or "\0" in path:
        raise ConfigError(["a SQLite database needs an absolute path: sqlite:///var/lib/smart-cron/smart-cron.db"])
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {"timeout": timeout_seconds, "transaction_mode": "IMMEDIATE", "init_command": _SQLITE_SESSION},
    }


def _server(parts: SplitResult, vendor: str, timeout_seconds: float) -> dict[str, Any]:
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(asked) - _OPTIONS[vendor])
    name = unquote(parts.path.lstrip("/"))
    problems = [f"the database URL has an unknown option '{option}'" for option in unknown]
    if not name:
        problems.append("the database URL names no database: put it after the last slash")
    if problems:
        raise ConfigError(problems)
    options = (_mysql_options if vendor == "mysql" else _postgresql_options)(asked, timeout_seconds)
    return {
        "ENGINE": f"django.db.backends.{vendor}",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": asked.get("unix_socket") or asked.get("host") or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "OPTIONS": options,
    }


def _mysql_options(asked: dict[str, str], timeout_seconds: float) -> dict[str, Any]:
    # Reading may take a little longer than the server waits for a lock, so that it can say so.
    lock_wait = max(1, int(timeout_seconds / 3))
    options: dict[str, Any] = {
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "init_command": _MYSQL_SESSION.format(lock_wait=lock_wait),
        "connect_timeout": max(1, int(timeout_seconds)),
        "read_timeout": timeout_seconds,
        "write_timeout": timeout_seconds,
    }
    if "ssl_ca" in asked:
        options["ssl"] = {"ca": asked["ssl_ca"]}
    return options


def _postgresql_options(asked: dict[str, str], timeout_seconds: float) -> dict[str, Any]:
    milliseconds = int(timeout_seconds * 1000)
    limits = {
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds // 3,
        # A frozen client must not hold its locks for ever.
        "idle_in_transaction_session_timeout": milliseconds * 2,
    }
    options: dict[str, Any] = {
        "connect_timeout": max(2, int(timeout_seconds)),
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        "tcp_user_timeout": milliseconds,
        "application_name": "smart-cron",
    }
    tls = {name: asked[name] for name in ("sslmode", "sslrootcert") if name in asked}
    if "sslrootcert" in tls:
        # Whoever names an authority means it: libpq would go on without TLS where a server has none.
        tls.setdefault("sslmode", "verify-full")
    return options | tls
