"""Settings of alerts: when people are told, over which channels, and where messages may go at all."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from smart_cron.core.alert import AlertType
from smart_cron.core.alert_rules import read_severities

SeverityWord = Literal["critical", "error", "warning", "info"]
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"


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


class RulesConfig(Section):
    """When messages to one receiver leave."""

    quiet_hours: str = ""
    digest: Literal["", "daily"] = ""
    digest_at: str = "08:00"
    messages_per_hour: int = Field(default=60, ge=1, le=100_000)

    @field_validator("quiet_hours")
    @classmethod
    def _two_times(cls, text: str) -> str:
        if text and not re.fullmatch(rf"{_TIME}-{_TIME}", text, re.ASCII):
            raise ValueError("write two times of day such as 22:00-06:00")
        return text

    @field_validator("digest_at")
    @classmethod
    def _one_time(cls, text: str) -> str:
        if not re.fullmatch(_TIME, text, re.ASCII):
            raise ValueError("write a time of day such as 08:00")
        return text


class DirectConfig(RulesConfig):
    """The addresses, or the webhooks, that tasks name, and the global address.

    Without a `min_severity` they hear of what is mailed by default (docs/delivery-rules.md).
    """

    min_severity: SeverityWord | None = None


class ChannelConfig(RulesConfig):
    """One receiver of messages beyond what tasks name themselves."""

    kind: Literal["email", "slack", "webhook", "apprise"]
    address: str = ""
    url: SecretStr = SecretStr("")
    secret: SecretStr = SecretStr("")
    enabled: bool = True
    min_severity: SeverityWord = "error"
    alert_types: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    @field_validator("alert_types")
    @classmethod
    def _known_types(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        known = [str(word) for word in AlertType]
        for word in words:
            if word not in known:
                raise ValueError(f"'{word}' is no type of alert; there are {', '.join(known)}")
        return words


class AlertsConfig(Section):
    """When an open alert is told again, and what counts how grave; `weekly_digest` mails that to `alert_email`."""

    reminder_minutes: int = Field(default=240, ge=1, le=100_000)
    fold_seconds: int = Field(default=60, ge=1, le=3600)
    weekly_digest: bool = True
    severities: dict[str, str] = Field(default_factory=dict)
    email: DirectConfig = DirectConfig()
    slack: DirectConfig = DirectConfig()
    dashboard_url: str = ""
    installation: str = Field(default="", max_length=60)

    @field_validator("severities")
    @classmethod
    def _known(cls, words: dict[str, str]) -> dict[str, str]:
        read_severities(words)
        return words
