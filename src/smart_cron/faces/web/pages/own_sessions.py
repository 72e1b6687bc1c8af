"""`/account/sessions`: the browsers in which somebody is logged in, and how to end that from here."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from smart_cron.core.people import Role
from smart_cron.faces.web.answers import bad_request, not_found
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.rendering import render
from smart_cron.store.people.sessions import SessionBook


def own_sessions(request: HttpRequest) -> HttpResponse:
    """Show them, or end one or all others."""
    premises, person = premises_of(request), person_of(request)
    book, current = SessionBook(premises.store.session, premises.store.audit), request.session.session_key or ""
    if request.method != "POST":
        return render(request, "account/sessions.html", sessions=book.sessions(person.id, current=current))
    wanted = request.POST.get("end", "")
    if wanted == "others":
        book.end_others(person.id, current=current, actor=actor_of(request))
    elif not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
        return bad_request(request)
    elif not book.end_one(person.id, int(wanted), actor=actor_of(request)):
        return not_found(request)
    return HttpResponseRedirect(reverse("own_sessions"))


ROUTES = (Route(path="account/sessions", view=own_sessions, name="own_sessions", change=Role.VIEWER),)
