"""The sections that every page leads to."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

# Name of the route, picture, words.
SECTIONS = (
    ("home", "home", _("Home")),
    ("tasks", "list-check", _("Tasks")),
    ("runs", "history", _("Runs")),
    ("alerts", "bell", _("Alerts")),
    ("logs", "terminal-2", _("Logs")),
    ("health", "heartbeat", _("Health")),
    ("backups", "database", _("Backups")),
    ("audit", "clipboard-list", _("Audit")),
    ("settings", "settings", _("Settings")),
)


def sections(request: HttpRequest) -> Mapping[str, object]:
    """Return what the menu shows; `is_here` marks the section of the page."""
    here = request.resolver_match.url_name if request.resolver_match else None
    entries = []
    for name, icon, title in SECTIONS:
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue
        is_here = here == name or (name != "home" and request.path.startswith(f"{url}/"))
        entries.append({"url": url, "icon": icon, "title": title, "is_here": is_here})
    return {"sections": entries}
