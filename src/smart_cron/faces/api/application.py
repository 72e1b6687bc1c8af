"""The API, put together from its resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.openapi.docs import Swagger
from ninja.operation import Operation
from ninja.parser import Parser

from smart_cron import __version__
from smart_cron.faces.api import alerts, audit, backups, control, revisions, runs, settings, slots, system, tasks, users
from smart_cron.faces.api.access import KeyAuth, SessionAuth, judged
from smart_cron.faces.api.description import Described
from smart_cron.faces.api.problems import handle_errors, problem
from smart_cron.faces.api.quota import telling_what_is_left
from smart_cron.faces.web.guard import SAFE, Route, marked

ABOUT = """What the dashboard and the commands of Smart Cron can do.

Send `Authorization: Bearer KEY` with a key of the settings page. Lists come in pages: `next` of one is `cursor` of the
following. Instants are ISO 8601 in UTC. Errors are problem details (RFC 9457). `RateLimit` on every answer says how
many requests are left, `RateLimit-Policy` of how many (draft-ietf-httpapi-ratelimit-headers)."""


RESOURCES = (
    ("", system.router),
    ("", control.router),
    ("", settings.router),
    ("/tasks", tasks.router),
    ("/tasks", revisions.router),
    ("/tasks", slots.tasks),
    ("/runs", runs.router),
    ("/alerts", alerts.router),
    ("/ledger", slots.router),
    ("/held", slots.waiting),
    ("/audit", audit.router),
    ("/users", users.router),
    ("/backups", backups.router),
)


class JsonParser(Parser):
    """Takes JSON that is said to be JSON: a form of a page elsewhere is none (SECURITY 18)."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body. Raise HttpError 415 for another content type."""
        if request.content_type != "application/json":
            # `problems` says 415 where this stands; ninja has one answer to all that is raised here.
            raise HttpError(415, "Send the body as application/json.")
        try:
            return super().parse_body(request)
        except (ValueError, RecursionError):
            raise HttpError(400, "The body is no JSON.") from None


def build() -> NinjaAPI:
    """Return the API. Raise RuntimeError for an operation that does not say who may use it."""
    api = Described(
        title="Smart Cron",
        version=__version__,
        description=ABOUT,
        urls_namespace="api",
        auth=[KeyAuth(), SessionAuth()],
        docs=Swagger({"persistAuthorization": False, "tryItOutEnabled": False}),
        docs_decorator=_for_people_we_know,
        parser=JsonParser(),
    )
    handle_errors(api)
    for prefix, router in RESOURCES:
        api.add_router(prefix, router)
    for operation in operations(api):
        operation.view_func = judged(operation.view_func, asks=_asks(operation))
    return api


def _asks(operation: Operation) -> frozenset[str]:
    """Return the names in the query string that the operation knows."""
    models = [model for model in operation.models if model.__ninja_param_source__ == "query"]
    return frozenset(name for model in models for name in model.__ninja_flatten_map__)


def operations(api: NinjaAPI) -> Iterator[Operation]:
    """Yield every operation."""
    for _, router in api._routers:  # noqa: SLF001  ninja has no other list of them
        for path_view in router.path_operations.values():
            yield from path_view.operations


def api_patterns() -> tuple[list[URLPattern | URLResolver], str, str]:
    """Return the API's addresses for Django; its operations judge who asks, so the pages' guard lets them pass."""
    patterns, app, namespace = build().urls
    for each in patterns:
        assert isinstance(each, URLPattern)
        assert each.callback is not None
        each.callback = marked(
            Route(
                path=str(each.pattern),
                view=telling_what_is_left(each.callback),
                name=each.name or "api",
                judges_itself=True,
            )
        )
    return patterns, app, namespace


def _for_people_we_know(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let the description of the API be read by whoever has a login or a key."""

    @wraps(view)
    def judged(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in SAFE:
            return problem(405, "Read it with GET.", Allow="GET")
        if not request.user.is_authenticated and not KeyAuth()(request):
            return problem(401, "Log in, or send 'Authorization: Bearer KEY'.", WWW_Authenticate='Bearer realm="api"')
        return view(request, *args, **kwargs)

    return judged
