"""Errors as problem details (RFC 9457): what, where, and how to mend it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import Field

from smart_cron.core.errors import (
    DatabaseError,
    InvalidInputError,
    SmartCronError,
    TaskBusyError,
    TaskExistsError,
    UnknownAlertError,
    UnknownNodeError,
    UnknownRevisionError,
    UnknownRunError,
    UnknownTaskError,
)
from smart_cron.faces.api.access import actor_of, person_of
from smart_cron.faces.web.asked import UnusableError
from smart_cron.faces.web.channel_test import UnknownChannelError
from smart_cron.faces.web.failing import failed
from smart_cron.faces.web.guard import note_denial
from smart_cron.faces.web.limits import TooManyError
from smart_cron.store.people.book import UnknownUserError
from smart_cron.store.people.once import KeyReusedError

CONTENT_TYPE = "application/problem+json"
UNKNOWN = (
    UnknownUserError,
    UnknownChannelError,
    UnknownTaskError,
    UnknownRunError,
    UnknownAlertError,
    UnknownNodeError,
    UnknownRevisionError,
)
TITLES = {
    400: "Bad request",
    401: "A key or a login is needed",
    403: "Not allowed",
    404: "Not found",
    409: "It stands in the way of something",
    415: "Send JSON",
    422: "The key was used before",
    429: "Too often",
    500: "Something went wrong here",
    503: "The database is away",
}


class Problem(Schema):
    """RFC 9457. `errors` names each fault and its place, where there are several."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = Field(default_factory=list)


def problem(status: int, detail: str, errors: Sequence[dict[str, str]] = (), **headers: str) -> HttpResponse:
    """Return an error. Headers are written with `_` for `-`."""
    body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status}
    body["detail"] = detail
    if errors:
        body["errors"] = list(errors)
    answer = HttpResponse(json.dumps(body), status=status, content_type=CONTENT_TYPE)
    for name, value in headers.items():
        answer[name.replace("_", "-")] = value
    return answer


def handle_errors(api: NinjaAPI) -> None:
    """Have the API answer every error in this form."""
    handlers: Mapping[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
        ValidationError: _invalid,
        AuthenticationError: _unknown_caller,
        HttpError: _http,
        Http404: _not_there,
        TooManyError: _too_many,
        SmartCronError: _ours,
        Exception: _unforeseen,
    }
    for error, handler in handlers.items():
        api.add_exception_handler(error, handler)


def _too_many(request: HttpRequest, error: TooManyError) -> HttpResponse:
    del request
    return problem(429, error.message, Retry_After=str(math.ceil(error.wait_seconds)))


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    del request
    faults = [{"field": _place(fault), "problem": str(fault.get("msg", ""))} for fault in error.errors]
    told = "; ".join(f"{fault['field']}: {fault['problem']}" for fault in faults)
    return problem(400, told[:2000], faults[:100])


def _place(fault: dict[str, Any]) -> str:
    # Where it came from (body, query) and ninja's own name for the whole are no places for people.
    parts = [str(part) for part in fault.get("loc", ()) if part not in ("body", "query", "path", "payload", "filters")]
    return ".".join(parts)[:200] or "request"


def _unknown_caller(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    del request, error
    return problem(401, "Send 'Authorization: Bearer KEY'.", WWW_Authenticate='Bearer realm="api"')


def _not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    del request, error
    return problem(404, "There is nothing here.")


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    # Whatever it is that somebody may not: their role, their groups, or a session that is not fresh.
    if error.status_code == 403 and getattr(request, "auth", None):
        note_denial(request, actor_of(request), person_of(request))
    if str(error) == "Cannot parse request body":
        # ninja says so of whatever the parser raises.
        is_called_json = request.content_type == "application/json"
        return problem(400 if is_called_json else 415, "Send the body as JSON, with Content-Type: application/json.")
    return problem(error.status_code, str(error))


def _ours(request: HttpRequest, error: SmartCronError) -> HttpResponse:
    if isinstance(error, DatabaseError):
        return problem(503, "The database does not answer.", Retry_After="5")
    if isinstance(error, UNKNOWN):
        return problem(404, error.message)
    if isinstance(error, UnusableError):
        return problem(400, error.message)
    if isinstance(error, InvalidInputError):
        return problem(400, str(error), [{"field": "", "problem": sentence} for sentence in error.problems])
    if isinstance(error, KeyReusedError):
        return problem(422, str(error))
    if isinstance(error, (TaskBusyError, TaskExistsError)):
        return problem(409, str(error))
    del request
    return problem(409, str(error))


def _unforeseen(request: HttpRequest, error: Exception) -> HttpResponse:
    answer = failed(request, error)
    if answer.status_code == 503:
        return problem(503, "The database does not answer.", Retry_After="5")
    return problem(answer.status_code, answer.content.decode().strip())
