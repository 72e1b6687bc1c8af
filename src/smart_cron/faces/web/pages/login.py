"""Logging in and out, the password, second factors and sessions: allauth's views behind our routes."""

from __future__ import annotations

from typing import Any

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.people import Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.guard import ANYBODY, Route
from smart_cron.faces.web.oidc.entry import identities_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.faces.web.second_factors import lacks_second_factor
from smart_cron.store.people.models import User

_VIEWER = Role.VIEWER


def log_out(request: HttpRequest) -> HttpResponse:
    """End the session, and have the browser forget what it keeps of us (SECURITY 41)."""
    answer: HttpResponse = account.logout(request)
    answer["Clear-Site-Data"] = '"cache", "storage"'
    return answer


class Account(mfa.IndexView):  # type: ignore[misc]
    """Who somebody is here, and with what they show it."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the other pages wait for a second factor."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        config = premises_of(self.request).config
        return {
            **found,
            "must_set_up": lacks_second_factor(self.request.user, config, self.request.session),
            **self._ties(),
        }

    def _ties(self) -> dict[str, Any]:
        """Return with whom else they log in; nothing where no provider is set."""
        premises, user = premises_of(self.request), self.request.user
        assert isinstance(user, User)
        if premises.provider is None:
            return {}
        subjects, has_password = identities_of(premises).subjects(user.pk), user.has_usable_password()
        return {"identities": subjects, "has_password": has_password}


def change_password(request: HttpRequest) -> HttpResponse:
    """Change it, where there is one: who logs in with a provider has none here."""
    if isinstance(request.user, User) and not request.user.has_usable_password():
        messages.error(request, _("You have no password here."))
        return HttpResponseRedirect(reverse("mfa_index"))
    if request.method == "POST":
        # Each try, as with codes: in a browser left alone somebody could else find the old one.
        premises_of(request).limits.require("second factors", str(request.user.pk))
    answer: HttpResponse = account.password_change(request)
    return answer


class Codes(codes.ViewRecoveryCodesView):  # type: ignore[misc]
    """Recovery codes, which are shown once: to whoever asks for it by the button.

    allauth shows them to whoever comes; a link that was followed, or fetched ahead, would use that up (SECURITY 17).
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Say how many there are, or that they wait to be shown."""
        del args, kwargs
        found = Authenticator.objects.filter(user_id=request.user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
        if found is None:
            return not_found(request)
        kept = found.wrap()
        return render(request, self.template_name, left=len(kept.get_unused_codes()), are_waiting=not kept.did_view)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show them, the first time."""
        answer: HttpResponse = super().get(request, *args, **kwargs)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add how many there are."""
        found: dict[str, Any] = super().get_context_data(**kwargs)
        return {**found, "left": len(found["unused_codes"])}


ROUTES = (
    Route(path="login", view=account.login, name="account_login", see=ANYBODY, change=ANYBODY, limit="logins"),
    Route(path="logout", view=log_out, name="account_logout", see=None, change=_VIEWER),
    Route(
        path="account/password",
        view=change_password,
        name="account_change_password",
        change=_VIEWER,
        limit="logins",
    ),
    Route(
        path="account/fresh", view=account.reauthenticate, name="account_reauthenticate", change=_VIEWER, limit="logins"
    ),
    Route(path="login/second", view=mfa.authenticate, name="mfa_authenticate", see=ANYBODY, change=ANYBODY),
    Route(path="account/second/fresh", view=mfa.reauthenticate, name="mfa_reauthenticate", change=_VIEWER),
    Route(path="account", view=Account.as_view(), name="mfa_index"),
    Route(path="account/totp", view=totp.activate_totp, name="mfa_activate_totp", change=_VIEWER),
    Route(path="account/totp/off", view=totp.deactivate_totp, name="mfa_deactivate_totp", change=_VIEWER),
    Route(path="account/codes", view=Codes.as_view(), name="mfa_view_recovery_codes", change=_VIEWER),
    Route(
        path="account/codes/new", view=codes.generate_recovery_codes, name="mfa_generate_recovery_codes", change=_VIEWER
    ),
    Route(path="account/passkeys", view=passkeys.list_webauthn, name="mfa_list_webauthn"),
    Route(path="account/passkeys/add", view=passkeys.add_webauthn, name="mfa_add_webauthn", change=_VIEWER),
    Route(path="account/passkeys/<int:pk>/edit", view=passkeys.edit_webauthn, name="mfa_edit_webauthn", change=_VIEWER),
    Route(
        path="account/passkeys/<int:pk>/remove",
        view=passkeys.remove_webauthn,
        name="mfa_remove_webauthn",
        change=_VIEWER,
    ),
    Route(
        path="login/passkey",
        view=passkeys.login_webauthn,
        name="mfa_login_webauthn",
        see=ANYBODY,
        change=ANYBODY,
        limit="logins",
        # The challenge is kept in a session, which a stranger has none of: each would be another row.
        counts_reading=True,
    ),
    Route(
        path="account/passkeys/fresh",
        view=passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
        change=_VIEWER,
    ),
)
