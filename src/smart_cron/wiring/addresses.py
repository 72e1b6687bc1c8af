"""What stands in the way of an address of the settings or of a task, and how to mend it, told before anything is sent.

No name is asked for here, except those of this machine.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.deadline import Deadline
from smart_cron.services.notify.guard import PORTS, Guard

JUDGED_WITHIN_SECONDS = 1.0
# Where apprise's services keep the addresses that they call.
CALLED = ("notify_url", "webhook_url", "api_url")


def address_fault(guard: Guard, url: str) -> str | None:
    """Return what is wrong with an address and how to mend it, or None. Of it the host alone is shown."""
    fault = _refusal(guard, url)
    return None if fault is None else f"{fault}; {_remedy(guard, url)}"


def shown_host(url: str) -> str:
    """Return the host of an address, which is no secret."""
    try:
        return urlsplit(url).hostname or "its host"
    except ValueError:
        return "its host"


def apprise_fault(guard: Guard, url: str) -> str | None:
    """Return what is wrong with the host that apprise's service calls, or None where that is not known beforehand."""
    hosts = list(_apprise_hosts(url))
    if not hosts or any(guard.names(host) or guard.fault(f"https://{host}/") is None for host in hosts):
        return None
    return f"{hosts[0]} is not allowed by webhook_allowed_hosts; {_allow(hosts[0])}"


def _refusal(guard: Guard, url: str) -> str | None:
    if not _is_literal(shown_host(url)):
        return guard.fault(url)
    try:
        guard.judge(url, deadline=Deadline(JUDGED_WITHIN_SECONDS))
    except DeliveryError as error:
        return error.message.rstrip(".")
    return None


def _remedy(guard: Guard, url: str) -> str:
    host, scheme = shown_host(url), _scheme(url)
    if scheme not in ("http", "https"):
        return "write https://, or http:// for what is in webhook_allowed_networks"
    if "@" in url.partition("://")[2].partition("/")[0] or host == "its host":
        return "write it as https://host/path"
    if _is_literal(host):
        return "put its network into webhook_allowed_networks, such as 10.1.0.0/16, or 127.0.0.0/8 for this machine"
    if scheme == "http":
        way = "use https" if guard.names(host) else f"use https and add {host} to webhook_allowed_hosts"
        return f"{way}, or put its network into webhook_allowed_networks"
    return _allow(_with_port(url, host))


def _with_port(url: str, host: str) -> str:
    """Return the host as webhook_allowed_hosts has to name it."""
    with suppress(ValueError):
        port = urlsplit(url).port
        return host if port in (None, *PORTS.values()) else f"{host}:{port}"
    return host


def _allow(host: str) -> str:
    return f"add {host} to webhook_allowed_hosts, or its network to webhook_allowed_networks"


def _scheme(url: str) -> str:
    return url.partition(":")[0].lower()


def _is_literal(host: str) -> bool:
    """Whether it is known without asking anybody where this leads."""
    with suppress(ValueError):
        ip_address(host)
        return True
    return host == "localhost"


def _apprise_hosts(url: str) -> Iterator[str]:
    """Yield the hosts that the service of an apprise address may call: its own, or the one that the address names."""
    with warnings.catch_warnings():
        # What others' modules say of each other helps nobody here.
        warnings.simplefilter("ignore")
        import apprise

        service = apprise.Apprise.instantiate(url)
    if service is None or _scheme(url) in ("mailto", "mailtos"):
        return  # The server of a mail address is apprise's secret.
    names = [name for name in dir(type(service)) if name.endswith(CALLED)]
    urls = [value for name in names if isinstance(value := getattr(type(service), name), str)]
    fixed = [urlsplit(each).hostname for each in urls if each.startswith("https://") and "{" not in each]
    found = (getattr(service, "host", None), *fixed)
    yield from (host for host in found if isinstance(host, str) and "." in host)
