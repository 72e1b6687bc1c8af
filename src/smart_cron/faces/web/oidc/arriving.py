"""What becomes of somebody who is back from the provider: a login, a fresh login, or an identity that is tied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.internal.flows.reauthentication import resume_request
from allauth.account.models import Login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from smart_cron.config.oidc import OidcConfig
from smart_cron.faces.web.guard import actor_of, person_of
from smart_cron.faces.web.oidc.claims import vouched
from smart_cron.faces.web.oidc.entry import admitted, identities_of
from smart_cron.faces.web.oidc.errors import EntryError, TokenError
from smart_cron.faces.web.oidc.flow import Asked, Purpose
from smart_cron.faces.web.oidc.provider import Provider
from smart_cron.faces.web.oidc.tokens import LEEWAY, judged
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.second_factors import SHOWN_ELSEWHERE

METHOD = "oidc"


def proven(provider: Provider, config: OidcConfig, asked: Asked, *, code: str, redirect_uri: str) -> Mapping[str, Any]:
    """Return what the provider says of whoever came back with this code. Raise ProviderError, TokenError."""
    token = provider.redeem(code, verifier=asked.verifier, redirect_uri=redirect_uri)
    claims = judged(token, provider.key, issuer=config.issuer, client_id=config.client_id, nonce=asked.nonce)
    if asked.purpose is not Purpose.LOGIN:
        shown_at = claims.get("auth_time")
        if not isinstance(shown_at, int | float) or shown_at < asked.begun_at - LEEWAY.total_seconds():
            raise TokenError("it does not say that somebody has shown just now who they are")
    return claims


def arrived(request: HttpRequest, claims: Mapping[str, Any], asked: Asked) -> HttpResponse:
    """Let them in. Raise EntryError, InvalidInputError."""
    if asked.purpose is Purpose.LINK:
        return _tied(request, claims)
    if asked.purpose is Purpose.FRESH:
        return _shown_again(request, claims, asked)
    return _let_in(request, claims, asked)


def _let_in(request: HttpRequest, claims: Mapping[str, Any], asked: Asked) -> HttpResponse:
    premises = premises_of(request)
    who = vouched(claims, premises.config.web.oidc)
    user = admitted(premises, who, address=request.META.get("REMOTE_ADDR"))
    record_authentication(request, user, method=METHOD)
    if not who.has_second_factor:
        # The one that they have here is asked for, as after a password.
        answer: HttpResponse = perform_login(request, Login(user=user, redirect_url=asked.next or None))
        return answer
    get_adapter().login(request, user)
    # After the login, which begins the session anew.
    request.session[SHOWN_ELSEWHERE] = True
    return HttpResponseRedirect(asked.next or reverse("home"))


def _shown_again(request: HttpRequest, claims: Mapping[str, Any], asked: Asked) -> HttpResponse:
    premises, user = premises_of(request), request.user
    theirs = identities_of(premises).user_of(premises.config.web.oidc.issuer, str(claims["sub"]))
    if theirs is None or theirs.pk != user.pk:
        raise EntryError(_("That is somebody else's login."))
    record_authentication(request, theirs, method=METHOD, reauthenticated=True)
    # What was asked for before is done now, where it was asked for by a form.
    request.GET = QueryDict(urlencode({"next": asked.next}))
    answer: HttpResponse | None = resume_request(request)
    return answer or HttpResponseRedirect(asked.next or reverse("home"))


def _tied(request: HttpRequest, claims: Mapping[str, Any]) -> HttpResponse:
    premises = premises_of(request)
    identities_of(premises).link(
        person_of(request).name,
        issuer=premises.config.web.oidc.issuer,
        subject=str(claims["sub"]),
        actor=actor_of(request),
    )
    messages.success(request, _("From now on you can log in with it."))
    return HttpResponseRedirect(reverse("mfa_index"))
