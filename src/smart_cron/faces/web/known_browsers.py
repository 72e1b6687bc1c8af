"""Browsers that somebody was logged in with before: they may still try where guessing has closed a name to others.

A signed cookie says so. It is no login and opens nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest
from django.http.response import HttpResponseBase

LASTS = timedelta(days=180)
_SALT = "smart_cron.known_browser"
_MARK = "smart_cron_was_logged_in"


def remember(request: HttpRequest, name: str) -> None:
    """Have the answer to this request carry the cookie."""
    setattr(request, _MARK, name)


def is_known(request: HttpRequest, name: str) -> bool:
    """Whether this name was logged in with this browser."""
    try:
        kept = request.get_signed_cookie(_name(), salt=_SALT, max_age=int(LASTS.total_seconds()))
    except (KeyError, BadSignature):
        return False
    return kept == name


class KnownBrowserMiddleware:
    """Sets the cookie where somebody has logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on, and mark the answer."""
        answer = self._get_response(request)
        name = getattr(request, _MARK, None)
        if name is not None:
            answer.set_signed_cookie(
                _name(),
                name,
                salt=_SALT,
                max_age=int(LASTS.total_seconds()),
                path=settings.SESSION_COOKIE_PATH,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Strict",
            )
        return answer


def _name() -> str:
    return str(settings.SESSION_COOKIE_NAME).replace("session", "known")
