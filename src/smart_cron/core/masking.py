"""Values that are secrets, as they may be shown (SECURITY 33)."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = "***"
SECRET_WORDS = ("PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "DSN", "DATABASE_URL")


def masked_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the values hidden whose names say that they are secret."""
    return {name: HIDDEN if is_secret(name) else value for name, value in environment.items()}


def masked_webhook(url: str | None) -> str | None:
    """A webhook's URL is its password: show whose it is, not what it is."""
    if not url:
        return None
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.partition('/')[0]}/{HIDDEN}"


def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    upper = name.upper()
    return any(word in upper for word in SECRET_WORDS) and upper not in {"PWD", "OLDPWD"}
