"""Where a task's pages are: by its name; by a code of it where the name, put there by SQL, fits no address."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

from django.urls import get_script_prefix, reverse

# Words that stand where a name would.
RESERVED = frozenset({"new", "explain", "bulk"})
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MARK = "~"


def key_of(name: str) -> str:
    """Return what stands for a task in an address."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return _MARK + base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def name_of(key: str) -> str | None:
    """Return the name that a key stands for, or None where it is no key."""
    if not key.startswith(_MARK):
        return key
    code = key.removeprefix(_MARK)
    try:
        name = base64.b64decode(code + "=" * (-len(code) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return name if "\0" not in name else None


def task_address(name: str, page: str = "task") -> str:
    """Return the address of a page of a task."""
    return _address(get_script_prefix(), name, page)


@lru_cache(maxsize=10_000)
def _address(_prefix: str, name: str, page: str) -> str:
    """A list has a hundred of them, and Django looks each up as if for the first time; the prefix is of the request."""
    return reverse(page, args=[key_of(name)])
