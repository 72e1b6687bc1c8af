"""Pages from templates, and what every page knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render as _render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from smart_cron import __version__
from smart_cron.core.people import Person, Role
from smart_cron.faces.web.premises import Premises, premises_of


def render(request: HttpRequest, template: str, status: int = 200, /, **context: Any) -> HttpResponse:
    """Return a page, or the part of one; the context's names are the template's."""
    return _render(request, template, context, status=status)


def part(premises: Premises, person: Person, template: str, /, **context: Any) -> SafeString:
    """Return a part of a page as it is rendered for everybody who may see the same; there is no request in it."""
    return render_to_string(template, {**_known(premises, person), **context})


def everywhere(request: HttpRequest) -> Mapping[str, Any]:
    """Return what every template knows: who asks, what they may, and where things are."""
    user = getattr(request, "user", None)
    person = user.person if user is not None and user.is_authenticated else None
    return _known(premises_of(request), person)


def _known(premises: Premises, person: Person | None) -> Mapping[str, Any]:
    return {
        "person": person,
        "may_operate": person is not None and person.may(Role.OPERATOR),
        "may_edit": person is not None and person.may(Role.EDITOR),
        "may_administer": person is not None and person.administers,
        "version": __version__,
        "node_name": premises.config.node_name,
        "oidc_label": premises.config.web.oidc.label if premises.provider else "",
        "prefix": premises.config.web.path_prefix,
        "static": f"{premises.config.web.path_prefix}/static/",
    }
