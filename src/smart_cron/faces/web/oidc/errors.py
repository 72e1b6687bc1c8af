"""Why somebody does not get in by OpenID Connect."""

from __future__ import annotations

from smart_cron.core.errors import SmartCronError


class ProviderError(SmartCronError):
    """The provider does not answer, or not as one of OpenID Connect does. What it says is for the log."""


class TokenError(SmartCronError):
    """An ID token that proves nothing. Why is for the log."""


class EntryError(SmartCronError):
    """The provider knows them, and they have no business here; the sentence is for them."""
