"""Answers in a line of plain text that say nothing about what is inside."""

from __future__ import annotations

import math
import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from smart_cron import __version__
from smart_cron.faces.web.limits import Standing
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rate_headers import rate_headers

PLAIN = "text/plain; charset=utf-8"


def plain(words: str, status: int = 200, **headers: str) -> HttpResponse:
    """Return *words* and a newline. Headers are written with `_` for `-`."""
    answer = HttpResponse(f"{words}\n", status=status, content_type=PLAIN)
    answer["Content-Length"] = str(len(answer.content))
    for name, value in headers.items():
        answer[name.replace("_", "-")] = value
    return answer


def not_found(request: HttpRequest | None = None, exception: Exception | None = None) -> HttpResponse:
    """Return the answer for what is not there, or not for whoever asks: nobody can tell the two apart."""
    del exception
    return _answer(request, "Not found.", 404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the answer for what cannot be understood."""
    del request, exception
    return plain("Bad request.", 400)


def unusable(request: HttpRequest, words: str) -> HttpResponse:
    """Return the answer for fields that cannot be used, saying which and why."""
    return _answer(request, words, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the answer for what is not allowed."""
    del exception
    return _answer(request, "Forbidden.", 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return the answer for a change that no form of ours asked for (SECURITY 16)."""
    del request, reason
    return plain("Forbidden: this form is too old, or not ours. Reload the page and try again.", 403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the answer for a fault outside every view."""
    # Here and not above: that room says its answers with these.
    from smart_cron.faces.web.failing import failed

    error = sys.exc_info()[1]
    return plain("Something went wrong here.", 500) if error is None else failed(request, error)


def away(request: HttpRequest) -> HttpResponse:
    """Return what is shown while the database is away: it asks again by itself."""
    static = f"{premises_of(request).config.web.path_prefix}/static/"
    page = render_to_string("away.html", {"static": static, "version": __version__})
    return HttpResponse(page, status=503, headers={"Retry-After": "5"})


def too_many(request: HttpRequest, wait_seconds: float, standing: Standing | None = None) -> HttpResponse:
    """Return the answer for what was asked too often: when it may be asked again, and by which rule."""
    answer = _too_many(request, max(1, math.ceil(wait_seconds)))
    for name, value in rate_headers([standing] if standing else []).items():
        answer[name] = value
    return answer


def _too_many(request: HttpRequest, wait: int) -> HttpResponse:
    if request.headers.get("HX-Request") or getattr(request, "user", None) is None:
        return plain(f"Too many tries: again in {wait} s.", 429, Retry_After=str(wait))
    answer = render(request, "account/locked.html", {"wait": wait}, status=429)
    answer["Retry-After"] = str(wait)
    return answer


def _answer(request: HttpRequest | None, words: str, status: int) -> HttpResponse:
    """Somebody who is logged in gets a page with the way back; others a line."""
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated or request.headers.get("HX-Request"):
        return plain(words, status)
    return render(request, "error.html", {"words": words, "status": status}, status=status)


def unavailable() -> HttpResponse:
    """Return the answer while the database does not serve: whoever asked should ask again."""
    return plain("unavailable", 503, Retry_After="5")
