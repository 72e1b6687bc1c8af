"""Answers in a line of plain text that say nothing about what is inside."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

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
    del request, exception
    return plain("Not found.", 404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the answer for what cannot be understood."""
    del request, exception
    return plain("Bad request.", 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return the answer for what is not allowed."""
    del request, exception
    return plain("Forbidden.", 403)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the answer for a fault outside every view."""
    del request
    return plain("Something went wrong here.", 500)


def unavailable() -> HttpResponse:
    """Return the answer while the database does not serve: whoever asked should ask again."""
    return plain("unavailable", 503, Retry_After="5")
