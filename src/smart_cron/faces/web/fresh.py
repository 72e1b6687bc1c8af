"""Changes that a browser left alone must not make: they ask for the password, or a second factor, again."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.internal.flows.reauthentication import suspend_request
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

SECRETS = ("password", "again", "credential")


def is_fresh(request: HttpRequest) -> bool:
    """Whether they have shown lately who they are, in this session."""
    records = get_authentication_records(request, request.user)
    lasts: int = settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return bool(records) and time.time() - max(record["at"] for record in records) < lasts


def to_fresh_login(request: HttpRequest) -> HttpResponse:
    """Send them there and back; what they typed is done then, unless it holds a secret, which no session may keep."""
    login = reverse("account_reauthenticate")
    if request.headers.get("HX-Request") == "true":
        back = request.headers.get("HX-Current-URL", "")
        return HttpResponse(status=403, headers={"HX-Redirect": f"{login}?{urlencode({'next': _path_of(back)})}"})
    if any(name in SECRETS for name in request.POST):
        return HttpResponse(status=302, headers={"Location": f"{login}?{urlencode({'next': request.path})}"})
    answer: HttpResponse = suspend_request(request, login)
    return answer


def _path_of(url: str) -> str:
    """Return the address within this site."""
    return "/" + url.partition("://")[2].partition("/")[2] if "://" in url else reverse("home")
