"""Settings: one frozen value from a TOML file and the environment.

`$SMART_CRON_HOME` names a home of its own; else `/etc/smart-cron/smart-cron.toml`, where it exists, rules for
everyone; else the home is in the XDG data directory. An environment variable `SMART_CRON_<KEY>` (`__` between
a table and its key) wins over the file; the variable's name with `_FILE` behind it reads the value from a file.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError

from smart_cron.config.alerting import AlertsConfig, ChannelConfig, SmtpConfig
from smart_cron.config.backup import BackupConfig
from smart_cron.config.faults import PREFIX as PREFIX
from smart_cron.config.faults import OpenSettingsError, unfit
from smart_cron.config.health import HealthConfig
from smart_cron.config.metrics import MetricsConfig
from smart_cron.config.retention import RetentionConfig
from smart_cron.config.web import WebConfig
from smart_cron.core.errors import ConfigError

SYSTEM_FILE = Path("/etc/smart-cron/smart-cron.toml")


def machine_zone() -> str:
    """Return the name of the machine's time zone, UTC where it has none with a name."""
    target = os.path.realpath("/etc/localtime")
    name = target.partition("/zoneinfo/")[2]
    return name if name in available_timezones() else "UTC"


class DatabaseConfig(BaseModel):
    """Where the tables are. An empty URL is the SQLite file in the state directory.

    `migrate_url` names the same database for an account that may make tables; empty where one account does all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr = SecretStr("")
    migrate_url: SecretStr = SecretStr("")
    timeout_seconds: int = Field(default=30, ge=1, le=3600)


class Config(BaseSettings):
    """Every setting, checked. The specification's constants are top-level keys."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    home: Path
    state_dir: Path
    log_dir: Path
    run_dir: Path
    backup_dir: Path
    database: DatabaseConfig = DatabaseConfig()
    node_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=100)
    node_tags: Annotated[tuple[str, ...], NoDecode] = ()
    heartbeat_seconds: int = Field(default=5, ge=1, le=3600)
    node_silence_seconds: int = Field(default=30, ge=2, le=86_400)
    time_zone: str = Field(default_factory=machine_zone)
    max_execution_time: int = Field(default=55, ge=1, le=86_400)
    max_concurrent: int = Field(default=10, ge=1, le=10_000)
    max_concurrent_total: int | None = Field(default=None, ge=1, le=1_000_000)
    catch_up_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    deadlock_timeout: int = Field(default=600, ge=1, le=604_800)
    misfire_grace_seconds: int = Field(default=60, ge=1, le=86_400)
    group_limits: dict[str, int] = Field(default_factory=dict)
    script_directories: tuple[Path, ...] | None = None
    task_path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    task_lang: str = "C.UTF-8"
    start_task_runner: bool = True
    alert_email: str = ""
    smtp: SmtpConfig = SmtpConfig()
    alerts: AlertsConfig = AlertsConfig()
    channels: dict[str, ChannelConfig] = Field(default_factory=dict)
    webhook_allowed_hosts: tuple[str, ...] = ("hooks.slack.com",)
    webhook_allowed_networks: tuple[str, ...] = ()
    ping_url: SecretStr = SecretStr("")
    health: HealthConfig = HealthConfig()
    metrics: MetricsConfig = MetricsConfig()
    retention: RetentionConfig = RetentionConfig()
    backup: BackupConfig = BackupConfig()
    web: WebConfig = WebConfig()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{name}' is no time zone; take a name such as Europe/Berlin") from None
        return name

    @field_validator("script_directories", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part for part in value.split(":") if part] if isinstance(value, str) else value

    @field_validator("script_directories")
    @classmethod
    def _absolute_all(cls, paths: tuple[Path, ...] | None) -> tuple[Path, ...] | None:
        for path in paths or ():
            cls._absolute(path)
        return paths

    @field_validator("node_tags", mode="before")
    @classmethod
    def _split_tags(cls, value: object) -> object:
        return [part for part in value.split(",") if part] if isinstance(value, str) else value

    @field_validator("node_tags")
    @classmethod
    def _plain_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        for tag in tags:
            if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", tag):
                raise ValueError(f"'{tag}' is no tag; a tag is up to 100 letters, digits, '_', '-' and '.'")
        return tags

    @model_validator(mode="after")
    def _silence_outlasts_heartbeats(self) -> Self:
        # A node that is late by one beat is not gone: two may be lost before anyone says so.
        if self.node_silence_seconds < 2 * self.heartbeat_seconds:
            raise ValueError(
                f"node_silence_seconds ({self.node_silence_seconds}) must be at least twice heartbeat_seconds "
                f"({self.heartbeat_seconds}), or living nodes count as silent"
            )
        return self

    @field_validator("group_limits")
    @classmethod
    def _positive_limits(cls, limits: dict[str, int]) -> dict[str, int]:
        if any(limit < 1 for limit in limits.values()):
            raise ValueError("each group limit must be 1 or more")
        return limits

    @field_validator("home", "state_dir", "log_dir", "run_dir", "backup_dir")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"'{path}' is not an absolute path")
        return path

    @property
    def database_url(self) -> str:
        """The URL to connect with. It may hold a password: never print it, see `shown`."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.state_dir / 'smart-cron.db'}"

    @property
    def migrate_url(self) -> str:
        """The URL to make and change tables with. It may hold a password, as `database_url` may."""
        return self.database.migrate_url.get_secret_value() or self.database_url

    @property
    def file(self) -> Path:
        """The TOML file of this home, there or not."""
        return SYSTEM_FILE if self.home == Path("/") else self.home / "smart-cron.toml"

    def shown(self) -> dict[str, Any]:
        """Return all settings for people, the password in the database URL masked."""
        values = self.model_dump(mode="json")
        values["database"]["url"] = masked_url(self.database_url)
        if self.database.migrate_url.get_secret_value():
            values["database"]["migrate_url"] = masked_url(self.migrate_url)
        return values


def masked_url(url: str) -> str:
    """Return *url* with its password replaced."""
    head, at, tail = url.rpartition("@")
    scheme, mark, login = head.partition("://")
    if not at or ":" not in login:
        return url
    return f"{scheme}{mark}{login.partition(':')[0]}:***@{tail}"


def load_config(environ: Mapping[str, str] | None = None, *, tolerates_readers: bool = False) -> Config:
    """Read the settings. Raise ConfigError with every fault at once.

    *tolerates_readers* is for whoever looks what is wrong: a file that others can read, and not write, is no obstacle.
    """
    environ = os.environ if environ is None else environ
    if not os.path.isabs(environ.get("SMART_CRON_HOME") or "/"):
        raise ConfigError([f"SMART_CRON_HOME must be an absolute path, got '{environ['SMART_CRON_HOME']}'"])
    home, places = _places(environ)
    path = SYSTEM_FILE if home == Path("/") else home / "smart-cron.toml"
    _refuse_if_open_to_others(path, tolerates_readers=tolerates_readers)
    try:
        return _sourced(environ, path, {"home": str(home), **places})()
    except ValidationError as error:
        raise unfit(error, model=Config, path=path, environ=environ) from None
    except SettingsError as error:
        raise ConfigError([f"the environment: {error}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path} is not valid TOML: {error}"]) from None


def _sourced(environ: Mapping[str, str], path: Path, defaults: dict[str, Any]) -> Callable[[], Config]:
    """Return Config with its sources, the strongest first: environment, file, the places that follow from the home."""

    class Sourced(Config):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                _Environment(settings_cls, environ),
                TomlConfigSettingsSource(settings_cls, path),
                InitSettingsSource(settings_cls, defaults),
            )

    return Sourced  # type: ignore[return-value]  # its fields come from the sources, not from arguments


class _Environment(EnvSettingsSource):
    """The environment that was handed in, where `<NAME>_FILE` stands for the content of a file."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = environ
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        values: dict[str, str | None] = {}
        for name, text in self._environ.items():
            if name.startswith(PREFIX) and name.endswith("_FILE") and not _is_a_setting(name):
                values[name.removesuffix("_FILE").lower()] = _secret_from(name, text)
            elif name != "SMART_CRON_HOME":
                values.setdefault(name.lower(), text)
        return values


def _is_a_setting(variable: str) -> bool:
    """Whether a variable that ends in `_FILE` is itself a setting, such as `smtp.ca_file`."""
    section, _, key = variable.removeprefix(PREFIX).lower().rpartition("__")
    if section.startswith("channels__"):
        return key in ChannelConfig.model_fields
    fields: Mapping[str, FieldInfo] = Config.model_fields
    for part in section.split("__") if section else ():
        fields = getattr(fields[part].annotation, "model_fields", {}) if part in fields else {}
    return bool(section) and key in fields


def _secret_from(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{name} names a file that cannot be read: {error}"]) from None


def _rules_for_everyone() -> bool:
    """Whether there is a file for everyone; one in a folder that is closed to us is there, and told as unreadable."""
    try:
        return SYSTEM_FILE.exists()
    except PermissionError:
        return True


def _places(environ: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
    home = environ.get("SMART_CRON_HOME")
    if not home and _rules_for_everyone():
        system = {"state_dir": "lib", "log_dir": "log", "run_dir": "run", "backup_dir": "backups"}
        return Path("/"), {key: f"/var/{folder}/smart-cron" for key, folder in system.items()}
    data = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME", "/"), ".local", "share")
    root = Path(home or os.path.join(data, "smart-cron"))
    folders = {"state_dir": "state", "log_dir": "log", "run_dir": "run", "backup_dir": "backups"}
    return root, {key: str(root / folder) for key, folder in folders.items()}


def _refuse_if_open_to_others(path: Path, *, tolerates_readers: bool) -> None:
    """The file may hold a password (SECURITY 35)."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        return
    except PermissionError:
        raise ConfigError(
            [f"{path} cannot be read by this user"], remedy="Run as the service user, or set SMART_CRON_HOME."
        ) from None
    is_planted = bool(mode & (stat.S_IWOTH | stat.S_IWGRP))
    if is_planted or (mode & stat.S_IROTH and not tolerates_readers):
        raise OpenSettingsError(path, is_planted=is_planted)
