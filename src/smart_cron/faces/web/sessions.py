"""How long a session lasts: not longer than it may, and not for somebody who has gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth import logout
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from smart_cron.config import Config
from smart_cron.faces.web.premises import premises_of

# Written down this seldom: each write of the session is one to the database.
NOTED_EACH = timedelta(minutes=5)
SEEN_KEY, BEGUN_KEY = "seen_at", "begun_at"


class SessionAgeMiddleware:
    """Ends the session of whoever did nothing for too long, or who has been logged in for too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Judge the session before anybody looks at it."""
        if request.user.is_authenticated:
            self._judge(request)
        return self._get_response(request)

    def _judge(self, request: HttpRequest) -> None:
        now, session = time.time(), request.session
        if is_over(session, premises_of(request).config, now):
            logout(request)
            return
        session.setdefault(BEGUN_KEY, now)
        if now - session.get(SEEN_KEY, 0.0) > NOTED_EACH.total_seconds():
            session[SEEN_KEY] = now


def is_over(session: SessionBase, config: Config, now: float) -> bool:
    """Whether a session has lasted, or been left alone, for longer than the settings let it."""
    begun, seen = session.get(BEGUN_KEY, now), session.get(SEEN_KEY, now)
    idle, longest = config.web.session_idle_minutes * 60, config.web.session_days * 86_400
    return bool(now - seen > idle or now - begun > longest)
