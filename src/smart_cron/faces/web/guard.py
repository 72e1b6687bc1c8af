"""Nothing is let through that no route allows: who may see an address, and who may change something there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import path, reverse

from smart_cron.core.audit import Actor, Source
from smart_cron.core.people import Person, Role
from smart_cron.faces.web.answers import forbidden, not_found, too_many
from smart_cron.faces.web.fresh import is_fresh, to_fresh_login
from smart_cron.faces.web.limits import neighbourhood, user_key
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.second_factors import OPEN_WITHOUT, lacks_second_factor

if TYPE_CHECKING:
    from django.urls import URLPattern

View = Callable[..., HttpResponseBase]
SAFE = frozenset({"GET", "HEAD"})
_MARK = "smart_cron_route"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address. `see` is who may GET it and `change` who may POST to it; None: nobody, ANYBODY: without a login.

    `fresh`: only shortly after a login, which is else asked for again. `limit` names how often each user, or each
    address where nobody is logged in, may come; GET counts where nothing is changed here at all, and where it writes a
    row for whoever comes (`counts_reading`).
    """

    path: str
    view: View
    name: str
    see: Role | str | None = Role.VIEWER
    change: Role | str | None = None
    # Of the API, whose own operations say who may use them by which method.
    judges_itself: bool = False
    fresh: bool = False
    limit: str = ""
    counts_reading: bool = False

    @property
    def methods(self) -> list[str]:
        """Return the methods that it takes."""
        return [*(sorted(SAFE) if self.see else []), *(["POST"] if self.change else [])]

    def needed(self, method: str) -> Role | str | None:
        """Return who may use it by this method."""
        return self.see if method in SAFE else self.change


ANYBODY = "anybody"


def url_patterns(routes: Sequence[Route]) -> list[URLPattern]:
    """Return what Django resolves; views that are not in a route are refused by the middleware."""
    return [path(route.path, marked(route), name=route.name) for route in routes]


def marked(route: Route) -> View:
    """Return the route's view with the mark that the middleware looks for."""

    @wraps(route.view)
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # Here and not before the view: a change that waited for a fresh login comes here a second time.
        return refusal(request, route) or route.view(request, *args, **kwargs)

    setattr(view, _MARK, route)
    return view


class GuardMiddleware:
    """Judges each request by the route that it found."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass on; the judgement needs the view."""
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: View, args: Sequence[object], kwargs: dict[str, object]
    ) -> HttpResponseBase | None:
        """Return a refusal, or None where the view may answer."""
        del args, kwargs
        route: Route | None = getattr(view, _MARK, None)
        if route is None:
            return not_found(request)
        if route.judges_itself:
            return None
        if request.method not in route.methods:
            return HttpResponseNotAllowed(route.methods)
        return _over_limit(request, route)


def _over_limit(request: HttpRequest, route: Route) -> HttpResponseBase | None:
    if not route.limit or (request.method in SAFE and route.change and not route.counts_reading):
        return None
    who = user_key(request.user.pk) if request.user.is_authenticated else neighbourhood(request.META["REMOTE_ADDR"])
    limits = premises_of(request).limits
    wait = limits.wait_seconds(route.limit, who)
    return too_many(request, wait, limits.spent(route.limit, wait)) if wait else None


def refusal(request: HttpRequest, route: Route) -> HttpResponseBase | None:
    """Return why this route is not for whoever asks, or None."""
    needed = route.needed(request.method or "GET")
    if needed == ANYBODY or route.judges_itself:
        return None
    if not request.user.is_authenticated:
        return _to_login(request)
    if needed is None or not person_of(request).may(Role(needed)):
        return denied(request)
    if needed == Role.ADMIN and not person_of(request).administers:
        return not_found(request)
    if route.name not in OPEN_WITHOUT and _lacks_second_factor(request):
        return _to(request, reverse("mfa_index"))
    return to_fresh_login(request) if route.fresh and not is_fresh(request) else None


def _lacks_second_factor(request: HttpRequest) -> bool:
    assert not request.user.is_anonymous
    return lacks_second_factor(request.user, premises_of(request).config, request.session)


def denied(request: HttpRequest) -> HttpResponse:
    """Refuse, and write it down."""
    note_denial(request, actor_of(request), person_of(request))
    return forbidden(request)


def note_denial(request: HttpRequest, actor: Actor, person: Person) -> None:
    """Write down what somebody tried who may not, on a page or by the API (SECURITY 2, 31)."""
    premises = premises_of(request)
    premises.log.warning(
        "Request denied", user=person.name, role=str(person.role), method=request.method, path=request.path
    )
    told = {"method": request.method, "path": request.path[:200], "role": str(person.role)}
    premises.store.audit.note("deny", actor=actor, entity=("user", person.id, person.name), new=told)


def person_of(request: HttpRequest) -> Person:
    """Return who asks; somebody does, or the guard would not have let it through."""
    found: Person = request.user.person  # type: ignore[union-attr]
    return found


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks, for the audit."""
    person = person_of(request)
    return Actor(person.name, source=Source.PAGE, user_id=person.id, ip_address=request.META.get("REMOTE_ADDR"))


def is_partial(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def _to_login(request: HttpRequest) -> HttpResponseBase:
    if is_partial(request):
        # A redirect would put the login form into the part.
        return HttpResponse(status=401, headers={"HX-Redirect": reverse("account_login")})
    return redirect_to_login(request.get_full_path())


def _to(request: HttpRequest, url: str) -> HttpResponse:
    if is_partial(request):
        return HttpResponse(status=403, headers={"HX-Redirect": url})
    return HttpResponse(status=302, headers={"Location": url})
