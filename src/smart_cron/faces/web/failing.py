"""Faults of views: a line in the log, and for the client a number to find it by."""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import BadRequest, DisallowedHost, PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase

from smart_cron.core.errors import DatabaseError
from smart_cron.faces.web.answers import away, bad_request, plain, too_many, unusable
from smart_cron.faces.web.asked import UnusableError
from smart_cron.faces.web.limits import TooManyError
from smart_cron.faces.web.premises import premises_of

_FRAMES = 5
DATABASE_GONE = (DatabaseError, OperationalError, InterfaceError)
# What Django says of a request that nobody can read, such as one of a thousand fields: the client's fault, not ours.
UNREADABLE = (SuspiciousOperation, BadRequest, MultiPartParserError)


class FailingMiddleware:
    """The outermost one: refuses foreign host names, and catches what views raise."""

    async_capable = sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = bool(iscoroutinefunction(get_response))
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Pass on what is meant for us: with a name of somebody else's, a page there could read our answers."""
        if self._is_async:
            return self._pass_on(request)
        answer: HttpResponseBase = self._refusal(request) or self._get_response(request)
        return answer

    async def _pass_on(self, request: HttpRequest) -> HttpResponseBase:
        answer: HttpResponseBase = self._refusal(request) or await self._get_response(request)
        return answer

    @staticmethod
    def _refusal(request: HttpRequest) -> HttpResponse | None:
        try:
            request.get_host()
        except DisallowedHost:
            return bad_request(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Write it down under a number and tell the number alone (SECURITY 34)."""
        if isinstance(exception, TooManyError):
            return too_many(request, exception.wait_seconds, exception.standing)
        # Django's own words for what a view does not show have answers of ours.
        return None if isinstance(exception, Http404 | PermissionDenied) else failed(request, exception)


def failed(request: HttpRequest, exception: BaseException) -> HttpResponse:
    """Return the answer for a fault; that the database is away is none of ours, and the log says so once by itself.

    Neither is what the client sent: that it gets as a bad request, and the log stays free of what strangers may cause.
    """
    if isinstance(exception, DATABASE_GONE):
        return away(request)
    if isinstance(exception, UnusableError):
        return unusable(request, exception.message)
    if isinstance(exception, UNREADABLE):
        return bad_request(request)
    number = secrets.token_hex(4)
    frames = traceback.extract_tb(exception.__traceback__)[-_FRAMES:]
    premises_of(request).log.error(
        "Request failed",
        id=number,
        method=request.method,
        path=masked(request.path),
        reason=f"{type(exception).__name__}: {exception}",
        where=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )
    return plain(f"Something went wrong here; the log says more under {number}.", 500)


def masked(path: str) -> str:
    """Return a path for the log: the key of a ping is a secret, and so is a set-up link's token."""
    return re.sub(r"^(.*/(?:ping|setup)/)[^/]+", r"\1***", path)[:500]
