"""Settings of what listens."""

from __future__ import annotations

import ipaddress
import re

from pydantic import Field, field_validator

from smart_cron.config.alerting import Section
from smart_cron.config.oidc import OidcConfig


class WebConfig(Section):
    """Where the web server listens, and who may read the metrics.

    Forwarded headers count only with `--behind-proxy`, and only from `trusted_proxies`.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65_535)
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    # Empty: metrics.key in the state directory, made at the first start.
    metrics_key_file: str = ""
    # Where a proxy shows us below an address of its own, such as /modules/smart-cron/dashboard.
    path_prefix: str = ""
    # Nobody who does nothing for so long stays logged in, and nobody for longer than so many days.
    session_idle_minutes: int = Field(default=480, ge=1, le=43_200)
    session_days: int = Field(default=14, ge=1, le=365)
    shortest_password: int = Field(default=12, ge=8, le=64)
    # Whether nobody may use the dashboard without a second factor.
    require_second_factor: bool = False
    # Names a function 'package.module:function' that is asked after each right password; docs/dashboard.md shows one.
    login_check: str = ""
    oidc: OidcConfig = OidcConfig()
    # So many wrong passwords for a name from an address lock both together for so long.
    failures_until_locked: int = Field(default=8, ge=3, le=100)
    locked_minutes: int = Field(default=15, ge=1, le=1440)
    # Beyond it a name is open only to browsers that it was logged in with before.
    login_failures_per_hour: int = Field(default=100, ge=10, le=100_000)
    logins_per_minute_and_address: int = Field(default=30, ge=1, le=100_000)
    second_factors_per_minute: int = Field(default=5, ge=1, le=100)
    # Each of these for one user.
    runs_per_minute: int = Field(default=60, ge=1, le=100_000)
    searches_per_minute: int = Field(default=120, ge=1, le=100_000)
    # Open at once, in this server; a tab has one, that of a run two.
    streams_per_user: int = Field(default=60, ge=1, le=1000)
    channel_tests_per_minute: int = Field(default=6, ge=1, le=1000)
    api_calls_per_minute: int = Field(default=600, ge=1, le=1_000_000)
    api_calls_per_minute_and_address: int = Field(default=1200, ge=1, le=1_000_000)
    pings_per_minute: int = Field(default=60, ge=1, le=100_000)
    pings_per_minute_and_address: int = Field(default=600, ge=1, le=1_000_000)

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                # A '*' would believe anybody.
                raise ValueError(f"'{proxy}' is neither an address nor a network such as 10.0.0.0/8") from None
        return proxies

    @field_validator("path_prefix")
    @classmethod
    def _prefix(cls, prefix: str) -> str:
        if prefix in ("", "/"):
            return ""
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", prefix) or "/." in prefix:
            raise ValueError(f"'{prefix}' is no path such as /modules/smart-cron/dashboard")
        return prefix.rstrip("/")

    @field_validator("login_check")
    @classmethod
    def _function(cls, name: str) -> str:
        if name and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(f"'{name}' does not name a function; write it like package.module:function")
        return name

    @field_validator("metrics_key_file")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if path and not path.startswith("/"):
            raise ValueError(f"'{path}' is not an absolute path")
        return path
