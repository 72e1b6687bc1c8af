"""Settings of alerts: when people are told, over which channels, and where messages may go at all."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SeverityWord = Literal["critical", "error", "warning", "info"]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SmtpConfig(Section):
    """The mail server. `security` tls is from the first byte on, starttls after the greeting and never left out."""

    host: str = "localhost"
    port: int = Field(default=25, ge=1, le=65_535)
    security: Literal["none", "starttls", "tls"] = "none"
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: str = ""
    verify: bool = True
    ca_file: str = ""
    timeout_seconds: int = Field(default=20, ge=1, le=300)


class ChannelConfig(Section):
    """One receiver of messages beyond what tasks name themselves."""

    kind: Literal["email", "slack", "webhook", "apprise"]
    address: str = ""
    url: SecretStr = SecretStr("")
    secret: SecretStr = SecretStr("")
    enabled: bool = True
    min_severity: SeverityWord = "error"
    alert_types: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    quiet_hours: str = ""
    digest: Literal["", "daily"] = ""
    digest_at: str = "08:00"
    messages_per_hour: int = Field(default=60, ge=1, le=100_000)


class AlertsConfig(Section):
    """When an open alert is told again, and what counts how grave."""

    reminder_minutes: int = Field(default=240, ge=1, le=100_000)
    fold_seconds: int = Field(default=60, ge=1, le=3600)
    severities: dict[str, SeverityWord] = Field(default_factory=dict)
    dashboard_url: str = ""
