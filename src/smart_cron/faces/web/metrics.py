"""`/metrics`: figures for Prometheus, for whoever has the key."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from smart_cron import __version__
from smart_cron.config import Config
from smart_cron.core.errors import ConfigError, DatabaseError
from smart_cron.faces.web.answers import plain, unavailable
from smart_cron.faces.web.desk import DeskBusyError
from smart_cron.faces.web.keys import kept_key
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.services.metrics.exposition import CONTENT_TYPE, exposition

WITHIN_SECONDS = 10.0


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Give the figures to whoever sends `Authorization: Bearer KEY`."""
    premises = premises_of(request)
    if not _has_key(request.headers.get("Authorization", ""), premises):
        return plain("A key is needed.", 401, WWW_Authenticate='Bearer realm="metrics"')
    try:
        text = await premises.desk.ask(lambda: _text(premises), within_seconds=WITHIN_SECONDS)
    except (DatabaseError, DeskBusyError, TimeoutError):
        return unavailable()
    answer = HttpResponse(text, content_type=CONTENT_TYPE)
    answer["Content-Length"] = str(len(answer.content))
    return answer


def _text(premises: Premises) -> str:
    limit = premises.config.metrics.task_label_limit
    return exposition(premises.store.figures, task_label_limit=limit, version=__version__)


def key_path(config: Config) -> Path:
    """Return where the key stands."""
    return Path(config.web.metrics_key_file) if config.web.metrics_key_file else config.state_dir / "metrics.key"


def _has_key(authorization: str, premises: Premises) -> bool:
    """Compare digests, in constant time whatever the lengths. The file is read anew: a new key counts at once."""
    scheme, _, given = authorization.partition(" ")
    try:
        key = kept_key(key_path(premises.config))
    except ConfigError as error:
        premises.log.error("Metrics key cannot be used", reason=str(error))
        return False
    same = hmac.compare_digest(_digest(given.strip()), _digest(key))
    return same and scheme.lower() == "bearer"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
