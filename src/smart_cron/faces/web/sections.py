"""The sections that every page leads to."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from smart_cron.core.people import Person, Role

# Name of the route, picture, words, and the key that leads there after `g`.
SECTIONS = (
    ("home", "home", _("Home"), "h"),
    ("tasks", "list-check", _("Tasks"), "t"),
    ("runs", "history", _("Runs"), "r"),
    ("alerts", "bell", _("Alerts"), "a"),
    ("logs", "terminal-2", _("Logs"), "l"),
    ("health", "heartbeat", _("Health"), "e"),
    ("backups", "database", _("Backups"), "b"),
    ("audit", "clipboard-list", _("Audit"), "u"),
    ("settings", "settings", _("Settings"), "s"),
)
# What is kept from whom; the page itself refuses, too.
NEEDED = {"audit": Role.EDITOR}
OF_ALL_GROUPS = frozenset({"audit", "backups"})


def sections(request: HttpRequest) -> Mapping[str, object]:
    """Return what the menu shows; `is_here` marks the section of the page."""
    here = request.resolver_match.url_name if request.resolver_match else None
    entries = []
    for name, icon, title, key in SECTIONS:
        if not _is_shown(name, request):
            continue
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        is_here = here == name or (name != "home" and request.path.startswith(f"{url}/"))
        entries.append({"url": url, "icon": icon, "title": title, "key": key, "is_here": is_here})
    return {"sections": entries}


def _is_shown(name: str, request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return True
    return is_open(name, user.person)


def is_open(name: str, person: Person) -> bool:
    """Whether a section is any business of this person."""
    return person.may(NEEDED.get(name, Role.VIEWER)) and (person.groups is None or name not in OF_ALL_GROUPS)
