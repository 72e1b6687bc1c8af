"""`/settings/keys`: one's own keys for the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from smart_cron.core.people import Person, Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.store.people.keys import KeyBook

LIVES = {
    "30": gettext_lazy("30 days"),
    "90": gettext_lazy("90 days"),
    "365": gettext_lazy("a year"),
    "never": gettext_lazy("until it is revoked"),
}


class KeyForm(forms.Form):
    """A new key."""

    label = forms.CharField(label=gettext_lazy("What it is for"), max_length=100)
    role = forms.ChoiceField(label=gettext_lazy("Role"))
    lives = forms.ChoiceField(label=gettext_lazy("Lasts"), choices=list(LIVES.items()), initial="90")

    def __init__(self, person: Person, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        choices = [(str(role), str(role)) for role in Role if person.may(role)]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]


def keys(request: HttpRequest) -> HttpResponse:
    """List one's own keys."""
    return _shown(request, KeyForm(person_of(request)))


def add_key(request: HttpRequest) -> HttpResponse:
    """Make a key, and show it this once."""
    if request.method != "POST":
        return keys(request)
    Asked(request.POST, ("label", "role", "lives"))
    person, form = person_of(request), KeyForm(person_of(request), request.POST)
    if not form.is_valid():
        return _shown(request, form, status=400)
    given = form.cleaned_data
    lives = given["lives"]
    expires_at = None if lives == "never" else datetime.now(UTC) + timedelta(days=int(lives))
    made = _book(premises_of(request)).make(
        person.id, label=given["label"], role=Role(given["role"]), expires_at=expires_at, actor=actor_of(request)
    )
    return _shown(request, KeyForm(person), made=made)


def revoke_key(request: HttpRequest) -> HttpResponse:
    """Let a key of one's own be worth nothing; an admin may end any."""
    number = Asked(request.POST, ("key",)).number("key")
    if number is None:
        raise UnusableError(_("Which key is not said."))
    person = person_of(request)
    owner = None if person.administers else person.id
    if not _book(premises_of(request)).revoke(number, user_id=owner, actor=actor_of(request)):
        return not_found(request)
    messages.success(request, _("It is worth nothing any more."))
    return HttpResponseRedirect(reverse("settings_keys"))


def _shown(request: HttpRequest, form: KeyForm, *, made: str = "", status: int = 200) -> HttpResponse:
    person, book = person_of(request), _book(premises_of(request))
    found = book.keys(None if person.administers else person.id)
    return render(request, "settings/keys.html", status, form=form, keys=found, made=made, now=datetime.now(UTC))


def _book(premises: Premises) -> KeyBook:
    return KeyBook(premises.store.session, premises.store.audit)


_VIEWER = Role.VIEWER
ROUTES = (
    Route(path="settings/keys", view=keys, name="settings_keys"),
    Route(path="settings/keys/add", view=add_key, name="settings_key_add", change=_VIEWER, fresh=True),
    Route(
        path="settings/keys/revoke", view=revoke_key, name="settings_key_revoke", see=None, change=_VIEWER, fresh=True
    ),
)
