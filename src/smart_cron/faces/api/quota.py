"""How often a caller may ask, counted here and told with every answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from smart_cron.core.errors import DatabaseError
from smart_cron.faces.web.limits import Standing, TooManyError
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rate_headers import rate_headers

_MARK = "smart_cron_rules"
_SPENT = "smart_cron_spent"


def count(request: HttpRequest, kind: str, who: str) -> None:
    """Count one, and have the answer say how many are left. Raise TooManyError where there is none."""
    try:
        premises_of(request).limits.require(kind, who)
    except TooManyError as refused:
        setattr(request, _SPENT, refused.standing)
        raise
    _rules(request).append((kind, who))


def telling_what_is_left(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return the view with the rate limit fields on each of its answers, errors among them."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        tell_what_is_left(request, answer)
        return answer

    return answered


def tell_what_is_left(request: HttpRequest, answer: HttpResponseBase) -> None:
    """Put the rate limit fields on an answer, as things stand now."""
    for name, value in rate_headers(_standings(request)).items():
        answer[name] = value


def _standings(request: HttpRequest) -> list[Standing]:
    """The rule that refused alone, where one did: it is the one that a client has to wait for."""
    spent: Standing | None = getattr(request, _SPENT, None)
    if spent is not None:
        return [spent]
    limits = premises_of(request).limits
    try:
        return [limits.standing(kind, who) for kind, who in _rules(request)]
    except DatabaseError:
        # The answer was made before the database went; it does not become an error for want of figures.
        return []


def _rules(request: HttpRequest) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] | None = getattr(request, _MARK, None)
    if found is None:
        found = []
        setattr(request, _MARK, found)
    return found
