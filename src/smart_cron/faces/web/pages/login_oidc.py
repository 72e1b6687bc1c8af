"""`/login/oidc` and `/account/oidc`: there to the provider, and back."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from smart_cron.core.errors import InvalidInputError, SmartCronError
from smart_cron.core.people import Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.guard import ANYBODY, Route, View, actor_of, person_of
from smart_cron.faces.web.oidc import arriving
from smart_cron.faces.web.oidc.entry import identities_of
from smart_cron.faces.web.oidc.errors import EntryError, ProviderError, TokenError
from smart_cron.faces.web.oidc.flow import Purpose, begin, take
from smart_cron.faces.web.oidc.provider import Provider
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.watching import note
from smart_cron.store.people.models import User

LONGEST_NEXT = 1000


def where_it_is_on(view: Callable[[HttpRequest, Provider], HttpResponse]) -> View:
    """Return the view, which is not there where no provider is set."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponse:
        provider = premises_of(request).provider
        return not_found(request) if provider is None else view(request, provider)

    return answered


@where_it_is_on
def log_in(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Send somebody to the provider who wants to log in."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(reverse("home"))
    return _sent(request, provider, Purpose.LOGIN)


@where_it_is_on
def confirm(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Have somebody who is logged in show again who they are."""
    if request.method != "POST":
        return render(request, "account/oidc_confirm.html", label=_label(request), next=local_path(request))
    return _sent(request, provider, Purpose.FRESH)


@where_it_is_on
def link(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Tie somebody's identity there to their user here."""
    return _sent(request, provider, Purpose.LINK)


@where_it_is_on
def unlink(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Forget their identities, where they get in without one."""
    del provider
    person, user = person_of(request), request.user
    assert isinstance(user, User)
    if not user.has_usable_password():
        messages.error(request, _("It is your only way in: you have no password here."))
    elif identities_of(premises_of(request)).unlink(person.name, actor=actor_of(request)):
        messages.success(request, _("The two are tied no more."))
    return HttpResponseRedirect(reverse("mfa_index"))


def _sent(request: HttpRequest, provider: Provider, purpose: Purpose) -> HttpResponse:
    """Return a page that leads on by itself.

    No redirect: the content policy lets forms lead nowhere but here, and browsers hold redirects to it too.
    """
    config = premises_of(request).config.web.oidc
    state, asked = begin(request.session, purpose, local_path(request))
    parameters = {
        "response_type": "code",
        "client_id": config.client_id,
        "redirect_uri": _back(request),
        "scope": " ".join(config.scopes),
        "state": state,
        "nonce": asked.nonce,
        "code_challenge": asked.challenge,
        "code_challenge_method": "S256",
        # Whoever is to show who they are must not be waved through by a session there.
        **({} if purpose is Purpose.LOGIN else {"prompt": "login", "max_age": "0"}),
    }
    try:
        url = provider.authorize_url(parameters)
    except ProviderError as fault:
        return _away(request, fault)
    return render(request, "account/oidc_go.html", label=config.label, url=url)


@where_it_is_on
def back(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Take somebody back; what was asked under this state is good once, and in this browser alone."""
    premises, config = premises_of(request), premises_of(request).config.web.oidc
    asked = take(request.session, request.GET.get("state", ""))
    if asked is None or (asked.purpose is not Purpose.LOGIN and not request.user.is_authenticated):
        return _refused(request, _("This login did not begin in this browser, took too long, or was used before."))
    if request.GET.get("iss", config.issuer) != config.issuer:
        # RFC 9207: another provider's answer to our question.
        return _refused(request, _("This answer is not from %(label)s.") % {"label": config.label})
    if "error" in request.GET or not request.GET.get("code"):
        return _refused(request, _("%(label)s did not let you in.") % {"label": config.label})
    try:
        claims = arriving.proven(provider, config, asked, code=request.GET["code"], redirect_uri=_back(request))
        return arriving.arrived(request, claims, asked)
    except ProviderError as fault:
        return _away(request, fault)
    except TokenError as fault:
        premises.log.warning("Login by OpenID Connect refused", reason=fault.message)
        return _refused(request, _("What %(label)s sent proves nothing.") % {"label": config.label}, fault)
    except (EntryError, InvalidInputError) as fault:
        return _refused(request, str(fault), fault)


def local_path(request: HttpRequest) -> str:
    """Return where to go on here, or nothing: an address of somebody else's would be a redirect to it."""
    given = str(request.POST.get("next") or request.GET.get("next") or "")[:LONGEST_NEXT]
    is_path = given.startswith(settings.FORCE_SCRIPT_NAME or "/") and given.startswith("/")
    return given if is_path and url_has_allowed_host_and_scheme(given, allowed_hosts=None) else ""


def _away(request: HttpRequest, fault: ProviderError) -> HttpResponse:
    label = _label(request)
    premises_of(request).log.warning("Provider of OpenID Connect does not serve", reason=fault.message)
    return _turned(request, _("%(label)s does not answer. Who has a password here can use it.") % {"label": label})


def _refused(request: HttpRequest, words: str, fault: SmartCronError | None = None) -> HttpResponse:
    """Say so, and write it down: somebody may be trying."""
    user = request.user if isinstance(request.user, User) else None
    told: dict[str, object] = {"by": "OpenID Connect", "reason": (fault.message if fault else words)[:300]}
    note(request, "log in failed", user, new=told)
    return _turned(request, words)


def _turned(request: HttpRequest, words: str) -> HttpResponse:
    messages.error(request, words)
    return HttpResponseRedirect(reverse("mfa_index" if request.user.is_authenticated else "account_login"))


def _label(request: HttpRequest) -> str:
    return premises_of(request).config.web.oidc.label


def _back(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("oidc_back"))


_VIEWER = Role.VIEWER
ROUTES = (
    Route(path="login/oidc", view=log_in, name="oidc_login", see=None, change=ANYBODY, limit="logins"),
    Route(path="login/oidc/back", view=back, name="oidc_back", see=ANYBODY, limit="logins"),
    Route(path="account/oidc", view=confirm, name="oidc_confirm", change=_VIEWER, limit="logins"),
    Route(path="account/oidc/link", view=link, name="oidc_link", see=None, change=_VIEWER, fresh=True),
    Route(path="account/oidc/unlink", view=unlink, name="oidc_unlink", see=None, change=_VIEWER, fresh=True),
)
