"""Where messages may go (SECURITY 28): a host is allowed by name or by its addresses, and is asked for once.

What is connected to is one of the very addresses that were judged, so a name that answers differently the second time
gains nothing. However an address is spelled (`127.1`, `0x7f000001`, `[::ffff:7f00:1]`), it is judged as the address
that it resolves to.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from smart_cron.core.message import DeliveryError
from smart_cron.services.notify.deadline import Deadline, within

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str], Sequence[str]]

MAX_ADDRESSES = 8
PORTS = {"https": 443, "http": 80}
ALLOW = "It is bounded by webhook_allowed_hosts and webhook_allowed_networks."
# IPv6 addresses that carry an IPv4 address to which they lead (RFC 6052, RFC 8215).
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
# As it is when we are imported: `apprise_wall` puts something of ours in its place.
_ask_system = socket.getaddrinfo
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\\s]")


def resolve_by_system(host: str) -> list[str]:
    """Return the addresses of a host in the order of preference. Raise OSError where there are none."""
    found = _ask_system(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What was judged: connect to one of `addresses`, in their order; `host` is for TLS and the Host header."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    path: str

    @property
    def authority(self) -> str:
        """The host as the Host header has it, with a port that is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class Guard:
    """The bounds of the settings. `networks` are CIDR ranges, with every port.

    `hosts` are names, or suffixes with a leading dot; each for the usual ports, or for the one behind its colon: an
    allowed host may have more behind other ports than what takes messages.
    """

    def __init__(
        self, *, hosts: Sequence[str] = (), networks: Sequence[str] = (), resolve: Resolve = resolve_by_system
    ) -> None:
        self._hosts = tuple(_name_and_ports(host) for host in hosts)
        self._networks = tuple(ip_network(network, strict=False) for network in networks)
        self._resolve = resolve

    def judge(self, url: str, *, deadline: Deadline) -> Target:
        """Return where to connect for *url*. Raise DeliveryError, which shows the host alone, where that is refused."""
        parts = _parts(url)
        host, port = _host(parts), _port(parts)
        addresses = self.addresses(host, port=port, deadline=deadline)
        if parts.scheme == "http" and not all(self._is_in_networks(address) for address in addresses):
            raise _refused(f"{host}: plain http is refused", "Use https, or allow its network. " + ALLOW)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(
            scheme=parts.scheme, host=host, port=port, addresses=tuple(map(str, addresses)), path=_ascii(path)
        )

    def addresses(self, host: str, *, deadline: Deadline, port: int | None = None) -> list[Address]:
        """Return the addresses of a host, every one allowed, on *port* where it is given. Raise DeliveryError."""
        is_named = self.names(host, port)
        what = f"port {port} of {host}" if self.names(host) else f"the host {host}"
        if not is_named and not self._networks:
            # Not even asked for: a question of ours would tell a stranger's name server that we are here.
            raise _refused(f"{what} is not allowed", ALLOW)
        found = self._look_up(host, deadline)
        for address in found:
            if self._is_in_networks(address):
                continue
            if not is_named:
                raise _refused(f"{what} is not allowed", ALLOW)
            if not _is_public(address):
                raise _refused(
                    f"{host} is or leads to an address that is not public",
                    "Allow it with webhook_allowed_networks if it is meant.",
                )
        return found

    def names(self, host: str, port: int | None = None) -> bool:
        """Whether a host is allowed by its name, on this port; without one, on any."""
        host = host.lower().rstrip(".")
        return any(
            (host == name or (name.startswith(".") and host.endswith(name))) and (port is None or port in ports)
            for name, ports in self._hosts
        )

    def fault(self, url: str) -> str | None:
        """Return what is wrong with *url* as far as that can be told without asking for its name, or None."""
        try:
            parts = _parts(url)
            host, port = _host(parts), _port(parts)
        except DeliveryError as error:
            return error.message.rstrip(".")
        is_named = self.names(host, port)
        if self._networks or (is_named and parts.scheme == "https"):
            return None
        if is_named:
            return f"{host}: plain http is refused"
        what = f"port {port} of {host}" if self.names(host) else host
        return f"{what} is not allowed by webhook_allowed_hosts"

    def _look_up(self, host: str, deadline: Deadline) -> list[Address]:
        try:
            found = within(deadline, lambda: self._resolve(host))
        except (OSError, UnicodeError, ValueError):
            found = []
        addresses = [address for text in found[:MAX_ADDRESSES] if (address := _address(text)) is not None]
        if not addresses or len(addresses) < len(found[:MAX_ADDRESSES]):
            raise DeliveryError(
                f"the name {host} has no address now",
                permanent=False,
                remedy="Look at its spelling and at this machine's name server.",
            )
        return addresses

    def _is_in_networks(self, address: Address) -> bool:
        # A mapped address is the one that it maps to, for allowing as for refusing.
        address = _carried(address) or address
        return any(address.version == network.version and address in network for network in self._networks)


def _name_and_ports(host: str) -> tuple[str, frozenset[int]]:
    name, _, port = host.partition(":")
    return name.lower().rstrip("."), frozenset({int(port)} if port.isdecimal() else PORTS.values())


def _parts(url: str) -> SplitResult:
    if _UNSAFE.search(url):
        raise _refused("the address has blanks or control characters in it", "Write it as one word.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _refused("the address cannot be read", "It is to look like https://host/path.") from None
    if parts.scheme not in PORTS:
        raise _refused("only https addresses are called", "It is to look like https://host/path.")
    if "@" in parts.netloc:
        raise _refused("an address with a login in it is refused", "Leave out what stands before the '@'.")
    return parts


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    try:
        # What IDNA makes of it (full-width digits too) is what is judged, asked for and written into the header.
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not re.fullmatch(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", host):
        raise _refused("the address names no host that can be called", "It is to look like https://host/path.")
    return host


def _port(parts: SplitResult) -> int:
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    if port == 0:
        raise _refused("port 0 cannot be called", "Leave the port out for the usual one.")
    return port


def _ascii(path: str) -> str:
    from urllib.parse import quote

    return quote(path, safe="/?#[]@!$&'()*+,;=%:~-._")


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _carried(address: Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 one leads to, if it is of a kind that carries one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    low = int(address) & 0xFFFFFFFF
    if any(address in network for network in _NAT64) or (int(address) >> 32 == 0 and low > 1):
        return IPv4Address(low)
    return None


def _is_public(address: Address) -> bool:
    carried = _carried(address)
    if carried is not None and not _is_public(carried):
        return False
    unusual = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
    )
    return address.is_global and not any(unusual)


def _refused(problem: str, remedy: str) -> DeliveryError:
    return DeliveryError(f"refused: {problem}", permanent=True, remedy=remedy)
