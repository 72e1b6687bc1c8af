"""`/settings`: what is set, each value with its default, and whether the channels work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import BaseModel

from smart_cron.config import Config
from smart_cron.core.people import Role
from smart_cron.faces.web.answers import not_found
from smart_cron.faces.web.asked import Asked
from smart_cron.faces.web.channel_test import testable, tried
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.services.notify.tested import last_tests
from smart_cron.wiring.channels import ChannelEntry


def settings(request: HttpRequest) -> HttpResponse:
    """Show them to an admin; others have their keys here."""
    config = premises_of(request).config
    if not person_of(request).administers:
        return HttpResponseRedirect(reverse("settings_keys"))
    return render(request, "settings/settings.html", file=config.file, tables=list(tables_of(config)))


def tables_of(config: Config) -> Iterator[tuple[str, list[tuple[str, object, object, bool]]]]:
    """Yield each table of the settings: key, value, default, and whether they differ. Secrets are hidden in both."""
    standard = Config.model_construct(
        **{
            name: field.get_default(call_default_factory=True)
            for name, field in Config.model_fields.items()
            if not field.is_required() and name not in _NO_DEFAULT
        }
    )
    shown = config.shown()
    yield "", list(_rows({k: v for k, v in shown.items() if not isinstance(v, dict)}, standard))
    for name, table in shown.items():
        if isinstance(table, dict) and table:
            yield name, list(_rows(table, getattr(standard, name, None)))


# Where things stand is told by the home, and has no default apart from it.
_NO_DEFAULT = ("home", "state_dir", "log_dir", "run_dir", "backup_dir")


def _rows(table: Mapping[str, Any], standard: object) -> Iterator[tuple[str, object, object, bool]]:
    for key, value in table.items():
        default = getattr(standard, key, None)
        default = None if isinstance(default, dict) else _plain(default)
        yield key, _told(value), _told(default), default is not None and _told(value) != _told(default)


def _plain(value: object) -> object:
    secret = getattr(value, "get_secret_value", None)
    if secret is not None:
        return "***" if secret() else ""
    if isinstance(value, BaseModel):
        return {key: _plain(each) for key, each in value}
    return list(value) if isinstance(value, tuple) else value


def _told(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_told(each)}" for key, each in value.items())
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def channels(request: HttpRequest) -> HttpResponse:
    """Show the ways out with their last test; POST sends a test message over one of them."""
    premises = premises_of(request)
    entries = testable(premises.config)
    if request.method != "POST":
        tests = last_tests(premises.config.state_dir)
        shown = [(entry, tests.get(name)) for name, entry in entries.items()]
        return render(request, "settings/channels.html", channels=shown)
    entry = entries.get(Asked(request.POST, ("channel",)).text("channel") or "")
    if entry is None:
        return not_found(request)
    premises.limits.require("channel tests", user_key(person_of(request).id))
    _try(request, entry)
    return HttpResponseRedirect(reverse("settings_channels"))


def _try(request: HttpRequest, entry: ChannelEntry) -> None:
    is_taken, words = tried(premises_of(request), entry, actor=actor_of(request))
    if is_taken:
        messages.success(request, _("Taken: %(answer)s") % {"answer": words[:300]})
    else:
        messages.error(request, words[:500])


ROUTES = (
    Route(path="settings", view=settings, name="settings"),
    Route(path="settings/channels", view=channels, name="settings_channels", see=Role.ADMIN, change=Role.ADMIN),
)
