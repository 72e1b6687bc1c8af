"""`/healthz` and `/readyz`: two words, for whoever asks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from smart_cron.faces.web.answers import plain
from smart_cron.faces.web.premises import premises_of


@require_safe
async def healthz(request: HttpRequest) -> HttpResponse:
    """Say ok where the system serves and the newest checks found nothing grave."""
    return _word(await premises_of(request).pulse.healthy.get())


@require_safe
async def readyz(request: HttpRequest) -> HttpResponse:
    """Say ok where the database answers and its tables fit."""
    return _word(await premises_of(request).pulse.ready.get())


def _word(is_well: bool) -> HttpResponse:
    return plain("ok") if is_well else plain("unavailable", 503)
