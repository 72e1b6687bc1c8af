"""`/setup/TOKEN`: the first admin, made by whoever started the server."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.people import Role
from smart_cron.faces.web import setup_link
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.guard import ANYBODY, Route
from smart_cron.faces.web.passwords import NEW_PASSWORD, fault_on, require_same
from smart_cron.faces.web.premises import people_of, premises_of
from smart_cron.faces.web.rendering import render


class SetupForm(forms.Form):
    """Who the first admin is."""

    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("Letters, digits and . _ @ -; it is what you log in with, and what the audit log calls you."),
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True, "spellcheck": "false"}),
    )
    password = forms.CharField(label=_("Password"), strip=False, widget=NEW_PASSWORD)
    again = forms.CharField(label=_("Password again"), strip=False, widget=NEW_PASSWORD)

    def clean(self) -> dict[str, Any] | None:
        """Refuse two passwords that differ."""
        return require_same(self, "password", "again")


def setup(request: HttpRequest, token: str) -> HttpResponse:
    """Show the form, and make the account. Where there is an account already nothing is found here."""
    premises = premises_of(request)
    if not setup_link.is_offered(premises.config, token, now=time.time()) or not people_of(premises).is_empty():
        return not_found()
    form = SetupForm(request.POST or None)
    if form.is_valid() and (answer := _made(request, token, form)) is not None:
        return answer
    return render(request, "account/setup.html", form=form, token=token)


def _made(request: HttpRequest, token: str, form: SetupForm) -> HttpResponse | None:
    """Return the answer of the login, or None where something in the form is not right."""
    premises, given = premises_of(request), form.cleaned_data
    actor = Actor("set-up link", source=Source.PAGE, ip_address=request.META.get("REMOTE_ADDR"))
    try:
        with setup_link.taken(premises.config, token, now=time.time()) as is_ours:
            if not is_ours:
                return not_found()
            book = people_of(premises)
            user = book.add(given["name"], given["password"], role=Role.ADMIN, actor=actor, only_as_first=True)
    except InvalidInputError as fault:
        fault_on(form, "password" if "password" in fault.message else "name", fault)
        return None
    answer: HttpResponse = perform_password_login(request, {"username": given["name"]}, Login(user=user))
    return answer


ROUTES = (Route(path="setup/<str:token>", view=setup, name="setup", see=ANYBODY, change=ANYBODY),)
