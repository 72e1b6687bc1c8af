"""`/ping/KEY`: jobs that run elsewhere say that they start, end or fail.

The one address that changes something by GET: a `curl` at the end of a crontab line is all that such a job needs. The
key is the login. Whoever guesses keys gets the answer of any address that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from smart_cron.core.errors import DatabaseError
from smart_cron.core.ping import Ping, cleaned_words
from smart_cron.faces.web.answers import not_found, plain, unavailable
from smart_cron.faces.web.desk import DeskBusyError
from smart_cron.faces.web.limits import TooManyError, neighbourhood
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rate_headers import rate_headers

WITHIN_SECONDS = 8.0


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def ping(request: HttpRequest, key: str, signal: str = "") -> HttpResponse:
    """Write down a ping. *signal* is empty (it ended well), `start`, `fail`, or an exit code."""
    premises = premises_of(request)
    said = _said(signal, request.body)
    if said is None:
        return not_found()
    address = neighbourhood(request.META.get("REMOTE_ADDR") or "")
    try:
        is_known = await premises.desk.ask(_recording(premises, key, said, address), within_seconds=WITHIN_SECONDS)
    except TooManyError as refused:
        answer = plain("Too many pings.", 429, Retry_After=str(math.ceil(refused.wait_seconds)))
        for name, value in rate_headers([refused.standing] if refused.standing else []).items():
            answer[name] = value
        return answer
    except (DatabaseError, DeskBusyError, TimeoutError) as error:
        premises.log.warning("Ping was not taken", reason=f"{type(error).__name__}: {error}"[:500])
        return unavailable()
    return plain("ok") if is_known else not_found()


def _recording(premises: Premises, key: str, said: Ping, address: str) -> Callable[[], bool]:
    """Known and unknown keys are bounded alike: the answer must not tell them apart."""

    def record() -> bool:
        premises.limits.require("pings by address", address)
        premises.limits.require("pings", key)
        return premises.store.pings.record(key, said)

    return record


def _said(signal: str, body: bytes) -> Ping | None:
    words = cleaned_words(body)
    if signal == "start":
        return Ping(is_start=True, words=words)
    if signal == "fail":
        return Ping(words=words)
    if signal == "":
        return Ping(exit_code=0, words=words)
    if signal.isascii() and signal.isdigit() and len(signal) <= 3 and int(signal) <= 255:
        return Ping(exit_code=int(signal), words=words)
    return None
