"""Every channel of the settings by its name, the faults of those settings, and the guard that bounds them.

Beside the channels of `[channels.NAME]` there are three that need no table: `email` (the server of `[smtp]`), `slack`
(the webhook that a task names) and `ping` (dead-man's switches elsewhere). Those get where to with each message.
Secrets are unwrapped here, where a channel is opened, and are shown nowhere.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network

from smart_cron.config import Config
from smart_cron.config.alerting import ChannelConfig
from smart_cron.core.alert import Alert
from smart_cron.core.alert_text import compose
from smart_cron.core.mail_address import plain_address
from smart_cron.core.message import DeliveryError, Message, MessageKind, RunFacts
from smart_cron.core.ports.messages import Channel
from smart_cron.services.notify.email import EmailChannel, MailServer
from smart_cron.services.notify.guard import Guard
from smart_cron.services.notify.slack import SlackChannel
from smart_cron.services.notify.web_call import WebCaller
from smart_cron.services.notify.webhook import WebhookChannel
from smart_cron.wiring.addresses import address_fault, apprise_fault

IMPLIED = ("email", "slack", "ping")
# How many times the timeout of one step a whole mail may take.
STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """One way out. `settings` is None for an implied one; `fault` says why nothing can be sent over it as it is set.

    `open` returns a channel for one thread; with a fault it is one that refuses each message with that sentence.
    """

    name: str
    kind: str
    settings: ChannelConfig | None
    fault: str | None
    open: Callable[[], Channel]


def channels_of(config: Config) -> Mapping[str, ChannelEntry]:
    """Return every channel by name, implied ones first; those that are switched off are among them."""
    entries = {name: _implied(config, name) for name in IMPLIED}
    for name, settings in config.channels.items():
        if name not in IMPLIED:
            entries[name] = _configured(config, name, settings)
    return entries


def channel_problems(config: Config) -> Iterator[str]:
    """Yield a sentence for each fault in the settings of channels: its key, what is wrong, how to mend it."""
    yield from _network_problems(config)
    yield from _receiver_problems(config)
    smtp_is_used = bool(config.alert_email) or any(each.kind == "email" for each in config.channels.values())
    fault = _smtp_fault(config)
    if fault and (smtp_is_used or config.smtp.user):
        yield fault
    for name, settings in config.channels.items():
        if name in IMPLIED:
            rules = f"; when its messages leave is said in [alerts.{name}]" if name in ("email", "slack") else ""
            yield f"channels.{name}: this name is taken, the channel is there without a table{rules}"
        elif fault := _channel_fault(config, name, settings):
            yield fault
        elif settings.kind == "apprise" and (fault := apprise_fault(guard_of(config), _url(settings))):
            yield f"channels.{name}.url: {fault}"


def guard_of(config: Config) -> Guard:
    """Return the guard that the settings ask for; a network that cannot be read allows nothing."""
    networks = [network for network in config.webhook_allowed_networks if _is_network(network)]
    return Guard(hosts=config.webhook_allowed_hosts, networks=networks)


def mail_server_of(config: Config) -> MailServer:
    """Return the mail server of the settings, its password in the clear: keep it out of logs."""
    smtp = config.smtp
    return MailServer(
        host=smtp.host,
        port=smtp.port,
        security=smtp.security,
        user=smtp.user,
        password=smtp.password.get_secret_value(),
        sender=sender_of(config),
        verify=smtp.verify,
        ca_file=smtp.ca_file,
        timeout_seconds=smtp.timeout_seconds,
        total_seconds=STEPS * smtp.timeout_seconds,
    )


def sender_of(config: Config) -> str:
    """Return the address that mails come from."""
    wanted = config.smtp.sender or f"smart-cron@{socket.gethostname()}"
    return plain_address(wanted) or "smart-cron@localhost"


def installation_of(config: Config) -> str:
    """Return what this system is called in messages."""
    return config.alerts.installation or config.node_name


def link_of(config: Config, alerts: Sequence[Alert]) -> str:
    """Return where alerts are shown, or nothing where there is no dashboard."""
    base = config.alerts.dashboard_url.rstrip("/")
    if not base:
        return ""
    # What the database has not taken yet has no number.
    return f"{base}/alerts/{alerts[0].id}" if len(alerts) == 1 and alerts[0].id else f"{base}/alerts"


def message_of(
    config: Config, kind: MessageKind, alerts: Sequence[Alert], facts: RunFacts | None = None, *, now: datetime
) -> Message:
    """Return the message about these alerts, with this installation's name and links."""
    return compose(kind, alerts, facts, link=link_of(config, alerts), installation=installation_of(config), now=now)


def _implied(config: Config, name: str) -> ChannelEntry:
    fault = _smtp_fault(config) if name == "email" else None
    return _entry(config, name, name, None, fault)


def _configured(config: Config, name: str, settings: ChannelConfig) -> ChannelEntry:
    return _entry(config, name, settings.kind, settings, _channel_fault(config, name, settings))


def _entry(config: Config, name: str, kind: str, settings: ChannelConfig | None, fault: str | None) -> ChannelEntry:
    def open_channel() -> Channel:
        if fault is not None:
            return _FaultyChannel(fault)
        return _OPENERS[kind](config, settings)

    return ChannelEntry(name=name, kind=kind, settings=settings, fault=fault, open=open_channel)


class _FaultyChannel:
    """Takes nothing, and says why. Not for good: once the setting is mended, what waits is sent."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def send(self, message: Message, *, target: str) -> str:
        """Raise DeliveryError."""
        del message, target
        raise DeliveryError(self._fault, permanent=False, remedy="'smart-cron config check' shows all faults.")

    def close(self) -> None:
        """Nothing is open."""


class _ToOne:
    """A channel whose settings name the receiver, for messages that name none."""

    def __init__(self, channel: Channel, address: str) -> None:
        self._channel, self._address = channel, address

    def send(self, message: Message, *, target: str) -> str:
        """Send as the channel does."""
        return self._channel.send(message, target=target or self._address)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


def _open_email(config: Config, settings: ChannelConfig | None) -> Channel:
    address = config.alert_email if settings is None else settings.address
    return _ToOne(EmailChannel(mail_server_of(config), installation=installation_of(config)), address)


def _open_slack(config: Config, settings: ChannelConfig | None) -> Channel:
    return SlackChannel(WebCaller(guard_of(config)), url=_url(settings))


def _open_webhook(config: Config, settings: ChannelConfig | None) -> Channel:
    secret = "" if settings is None else settings.secret.get_secret_value()
    return WebhookChannel(WebCaller(guard_of(config)), url=_url(settings), secret=secret)


def _open_apprise(config: Config, settings: ChannelConfig | None) -> Channel:
    from smart_cron.services.notify.apprise import AppriseChannel

    networks = [network for network in config.webhook_allowed_networks if _is_network(network)]
    return AppriseChannel(_url(settings), hosts=config.webhook_allowed_hosts, networks=networks)


def _open_ping(config: Config, settings: ChannelConfig | None) -> Channel:
    from smart_cron.services.notify.ping import PingChannel

    del settings
    return PingChannel(WebCaller(guard_of(config)))


_OPENERS: Mapping[str, Callable[[Config, ChannelConfig | None], Channel]] = {
    "email": _open_email,
    "slack": _open_slack,
    "webhook": _open_webhook,
    "apprise": _open_apprise,
    "ping": _open_ping,
}


def _url(settings: ChannelConfig | None) -> str:
    return "" if settings is None else settings.url.get_secret_value()


def _channel_fault(config: Config, name: str, settings: ChannelConfig) -> str | None:
    """Return what is wrong with one channel's settings; of its address the host alone is shown."""
    key = f"channels.{name}"
    if settings.kind == "email":
        if plain_address(settings.address) is None:
            return f"{key}.address: set one mail address such as ops@example.org"
        return _smtp_fault(config)
    url = settings.url.get_secret_value()
    if settings.kind == "apprise":
        return None if "://" in url else f"{key}.url: set an apprise address, such as tgram://TOKEN/CHAT"
    if not url:
        return f"{key}.url: set the address to post to, such as https://hooks.example.org/alerts"
    fault = address_fault(guard_of(config), url)
    return None if fault is None else f"{key}.url: {fault}"


def _smtp_fault(config: Config) -> str | None:
    smtp = config.smtp
    if smtp.sender and plain_address(smtp.sender) is None:
        return "smtp.sender: set one mail address such as cron@example.org, without a name"
    if smtp.user and smtp.security == "none" and smtp.host not in ("localhost", "127.0.0.1", "::1"):
        return "smtp.user: a login is not sent in the clear; set smtp.security to starttls or tls"
    return None


def _network_problems(config: Config) -> Iterator[str]:
    for network in config.webhook_allowed_networks:
        if not _is_network(network):
            yield f"webhook_allowed_networks: '{network}' is no network; write it as 10.1.0.0/16 or fd00::/8"
    for host in config.webhook_allowed_hosts:
        name, colon, port = host.partition(":")
        is_port = not colon or (port.isascii() and port.isdecimal() and 0 < int(port[:9]) < 65_536)
        if not name.strip(".") or any(mark in name for mark in "/*@ ") or not is_port:
            remedy = "write hooks.example.org, or .example.org for all below it, and :8443 behind it for another port"
            yield f"webhook_allowed_hosts: '{host}' is no host; {remedy}"


def _receiver_problems(config: Config) -> Iterator[str]:
    if config.alert_email and plain_address(config.alert_email) is None:
        yield "alert_email: set one mail address such as ops@example.org; several go into a list at the mail server"
    dashboard = config.alerts.dashboard_url
    if dashboard and not dashboard.startswith(("https://", "http://")):
        yield "alerts.dashboard_url: write the dashboard's address, such as https://cron.example.org"
    ping_url = config.ping_url.get_secret_value()
    if ping_url and (fault := address_fault(guard_of(config), ping_url)):
        yield f"ping_url: {fault}"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
