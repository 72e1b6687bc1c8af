"""Whether something is an address that a mail can be sent to, and nothing more than that (SECURITY 29)."""

from __future__ import annotations

import re

MAX_CHARACTERS = 254  # RFC 5321, 4.5.3.1.3
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def plain_address(address: str) -> str | None:
    """Return the address as it is written into the dialogue with a mail server, or None where it is none.

    One address without a name, ASCII before the `@`; a domain in other letters becomes its ASCII form.
    """
    local, at, domain = address.rpartition("@")
    if not at or not local.isascii() or not _LOCAL.fullmatch(local) or len(local) > 64:
        return None
    ascii_domain = _ascii_domain(domain)
    if ascii_domain is None or len(local) + 1 + len(ascii_domain) > MAX_CHARACTERS:
        return None
    return f"{local}@{ascii_domain}"


def _ascii_domain(domain: str) -> str | None:
    if any(mark.isspace() or not mark.isprintable() for mark in domain):
        return None
    try:
        text = domain.encode("idna").decode("ascii") if not domain.isascii() else domain
    except UnicodeError:
        return None
    labels = text.split(".")
    return text if all(_LABEL.fullmatch(label) for label in labels) else None
