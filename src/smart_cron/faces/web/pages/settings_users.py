"""`/settings/users`: who may log in, as what, and near which tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from smart_cron.core.audit import Actor
from smart_cron.core.errors import InvalidInputError
from smart_cron.core.people import Account, Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of
from smart_cron.faces.web.passwords import NEW_PASSWORD, fault_on, require_same
from smart_cron.faces.web.premises import people_of, premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.store.people.book import PeopleBook

ROLES = [(str(role), str(role)) for role in Role]
GROUPS_HELP = gettext_lazy("One a line; “-” are tasks without a group. Empty: all tasks.")


class UserForm(forms.Form):
    """A new user."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=ROLES,
        help_text=gettext_lazy(
            "A viewer sees; an operator runs, enables and acknowledges; an editor changes tasks, and so may run code "
            "as their users; an admin changes users and backups too."
        ),
    )
    groups = forms.CharField(
        label=gettext_lazy("Groups of tasks"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=GROUPS_HELP,
    )
    second_factor = forms.BooleanField(label=gettext_lazy("Demand a second factor"), required=False)
    password = forms.CharField(label=gettext_lazy("Password"), strip=False, widget=NEW_PASSWORD)
    again = forms.CharField(label=gettext_lazy("Password again"), strip=False, widget=NEW_PASSWORD)

    def clean(self) -> dict[str, Any] | None:
        """Refuse two passwords that differ."""
        return require_same(self, "password", "again")


class Action(StrEnum):
    """What can be done to a user."""

    ROLE = "role"
    GROUPS = "groups"
    DISABLE = "disable"
    ENABLE = "enable"
    DEMAND = "demand"
    SPARE = "spare"
    RESET = "reset"
    END = "end"


def users(request: HttpRequest) -> HttpResponse:
    """List them."""
    return render(request, "settings/users.html", accounts=people_of(premises_of(request)).accounts())


def add_user(request: HttpRequest) -> HttpResponse:
    """Show the form, and make a user."""
    if request.method == "POST":
        Asked(request.POST, ("name", "role", "groups", "second_factor", "password", "again"), longest=5000)
    form = UserForm(request.POST or None, initial={"role": "viewer"})
    if form.is_valid() and _added(request, form):
        return HttpResponseRedirect(reverse("settings_users"))
    return render(request, "settings/user_add.html", form=form)


def _added(request: HttpRequest, form: UserForm) -> bool:
    given = form.cleaned_data
    try:
        people_of(premises_of(request)).add(
            given["name"], given["password"], role=Role(given["role"]), groups=groups_of(given["groups"]),
            needs_second_factor=given["second_factor"], actor=actor_of(request),
        )  # fmt: skip
    except InvalidInputError as fault:
        fault_on(form, "password" if "assword" in fault.message else "name", fault)
        return False
    messages.success(request, _("'%(name)s' may log in.") % {"name": given["name"]})
    return True


def groups_of(text: str) -> list[str] | None:
    """Return the groups that stand in lines, None for all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return ["" if line == "-" else line for line in lines] or None


def user(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one, or change one thing."""
    account = people_of(premises_of(request)).account(pk)
    if account is None:
        return not_found(request)
    if request.method != "POST":
        return render(request, "settings/user.html", account=account, roles=list(Role), groups=_lines(account))
    asked = Asked(request.POST, ("action", "role", "groups"), longest=5000)
    action = asked.word("action", Action)
    if action is None:
        raise UnusableError(_("What is to be done is not said."))
    try:
        _ACTS[action](people_of(premises_of(request)), account.person.name, asked, actor_of(request))
    except InvalidInputError as fault:
        messages.error(request, str(fault))
    else:
        messages.success(request, _("Done."))
    return HttpResponseRedirect(reverse("settings_user", kwargs={"pk": pk}))


def _lines(account: Account) -> str:
    return "\n".join(group or "-" for group in sorted(account.person.groups or ()))


def _set_role(book: PeopleBook, name: str, asked: Asked, actor: Actor) -> None:
    role = asked.word("role", Role)
    if role is None:
        raise UnusableError(_("The role is not said."))
    book.set_role(name, role, actor=actor)


_ACTS: Mapping[Action, Callable[[PeopleBook, str, Asked, Actor], object]] = {
    Action.ROLE: _set_role,
    Action.GROUPS: lambda book, name, asked, actor: book.set_groups(
        name, groups_of(asked.text("groups") or ""), actor=actor
    ),
    Action.DISABLE: lambda book, name, _asked, actor: book.set_active(name, False, actor=actor),
    Action.ENABLE: lambda book, name, _asked, actor: book.set_active(name, True, actor=actor),
    Action.DEMAND: lambda book, name, _asked, actor: book.demand_second_factor(name, True, actor=actor),
    Action.SPARE: lambda book, name, _asked, actor: book.demand_second_factor(name, False, actor=actor),
    Action.RESET: lambda book, name, _asked, actor: book.reset_second_factor(name, actor=actor),
    Action.END: lambda book, name, _asked, actor: book.end_sessions(name, actor=actor),
}

_ADMIN = Role.ADMIN
ROUTES = (
    Route(path="settings/users", view=users, name="settings_users", see=_ADMIN),
    Route(path="settings/users/add", view=add_user, name="settings_user_add", see=_ADMIN, change=_ADMIN, fresh=True),
    Route(path="settings/users/<int:pk>", view=user, name="settings_user", see=_ADMIN, change=_ADMIN, fresh=True),
)
