"""A test message over a channel, as the console and the dashboard send it."""

from __future__ import annotations

from smart_cron.config import Config
from smart_cron.core.message import DeliveryError, MessageKind
from smart_cron.engine.clock import SystemClock
from smart_cron.services.notify.tested import TestResult, remember
from smart_cron.wiring.channels import ChannelEntry, message_of


def try_channel(config: Config, entry: ChannelEntry, target: str = "") -> tuple[str, DeliveryError | None]:
    """Send one; return the server's answer, or what went wrong."""
    message = message_of(config, MessageKind.TEST, (), now=SystemClock().now())
    channel = entry.open()
    try:
        return channel.send(message, target=target), None
    except DeliveryError as error:
        return "", error
    finally:
        channel.close()


def keep_result(config: Config, name: str, *, ok: bool, words: str) -> None:
    """Keep it for 'smart-cron doctor'. Raise OSError."""
    remember(config.state_dir, name, TestResult(tested_at=SystemClock().now(), ok=ok, words=words))
