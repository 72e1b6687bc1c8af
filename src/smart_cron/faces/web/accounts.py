"""How allauth and axes behave here: nobody signs up by themselves, and what fails is told and written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.faces.web.answers import too_many
from smart_cron.faces.web.fresh import is_fresh
from smart_cron.faces.web.known_browsers import is_known
from smart_cron.faces.web.limits import TooManyError, neighbourhood
from smart_cron.faces.web.oidc.entry import identities_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.store.people.book import LONGEST_PASSWORD


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Users are made by an admin or at the console."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody makes an account for themselves."""
        del request
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the peer, or whom a trusted proxy named: the server has judged that already (SECURITY 11)."""
        return client_address(request)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send none: who must know of a login reads the audit log."""

    def clean_password(self, password: str, user: Any = None) -> str:
        """Return it where it is a good one; how long it may be Django's own rules do not say. Raise ValidationError."""
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(_("More than %(most)d characters are too many.") % {"most": LONGEST_PASSWORD})
        found: str = super().clean_password(password, user)
        return found

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Add the provider, where theirs is one of its identities."""
        found: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        premises = premises_of(self.request)
        if premises.provider is not None and identities_of(premises).subjects(user.pk):
            words = _("Confirm with %(label)s") % {"label": premises.config.web.oidc.label}
            found.append({"id": "oidc", "description": words, "url": reverse("oidc_confirm")})
        return found

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Who has neither password nor second factor here confirms with the provider, which allauth does not know."""
        required: bool = super().is_reauthentication_required(app=app, **kwargs)
        return required and not (get_reauthentication_flows(self.request.user) == [] and is_fresh(self.request))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse a name that failed too often, from everywhere together, but to browsers that it was logged in with.

        So guessing from ten thousand addresses gets nowhere, and locks nobody out (SECURITY 10). Names that nobody has
        are treated alike.
        """
        name = str(credentials.get("username") or "")
        if is_known(request, name):
            return
        if wait := premises_of(request).limits.spent_seconds("login failures", name):
            raise TooManyError(wait)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Return whose name and password these are. Who is disabled hears what anybody hears who is wrong."""
        self.pre_authenticate(request, **credentials)
        return authenticate(request, **credentials)


def client_address(request: HttpRequest) -> str:
    """Return the client's address as the server knows it, never by a header of the client's own."""
    return str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest) -> str:
    """Return the address by which failures are counted: an IPv6 client has as many as it likes of its network."""
    return neighbourhood(client_address(request)).partition("/")[0]


def tried_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """Return whose login is tried. Without it all names of one address would be locked together."""
    given = (credentials or {}).get("username") or request.POST.get("login")
    return str(given or (request.user.get_username() if request.user.is_authenticated else "")).strip()


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """Return the page that says when to try again."""
    del response, credentials
    return too_many(request, premises_of(request).config.web.locked_minutes * 60)
