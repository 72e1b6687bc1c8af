"""The OpenAPI document, with what is true of every operation and ninja does not say: refusals, and rate limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from smart_cron.faces.api.examples import ANSWERS, DOCUMENTS, PARAMETERS
from smart_cron.faces.api.problems import CONTENT_TYPE, TITLES, Problem
from smart_cron.faces.web.rate_headers import LEFT, POLICY

HEADERS: Mapping[str, Mapping[str, Any]] = {
    POLICY: {
        "description": "The rules that count, as in draft-ietf-httpapi-ratelimit-headers: q requests in w seconds.",
        "schema": {"type": "string"},
        "example": '"api";q=600;w=60',
    },
    LEFT: {
        "description": "What is left of each: r requests, until it begins anew in t seconds.",
        "schema": {"type": "string"},
        "example": '"api";r=597;t=42',
    },
    "Retry-After": {
        "description": "After how many seconds it is worth asking again.",
        "schema": {"type": "integer"},
        "example": 42,
    },
}
# What any operation may come to, and what is told then.
REFUSALS: Mapping[int, str] = {
    400: "There is no 'statsu' to ask for here; there is cursor, limit, status, task.",
    401: "Send 'Authorization: Bearer KEY'.",
    403: "This needs the role operator; yours is viewer.",
    404: "there is no task 'backup'.",
    409: "there is a task 'backup' already.",
    429: "that was asked too often; it is possible again in 42 s.",
    503: "The database does not answer.",
}
WITH_RETRY = (429, 503)
WITHOUT_RULES = (401, 503)


class Described(NinjaAPI):
    """The API; its document says of each operation what is true of all."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the document."""
        document = super().get_openapi_schema(**options)
        components = document["components"]
        components["headers"] = dict(HEADERS)
        components["schemas"]["Problem"] = Problem.model_json_schema()
        components["responses"] = {_name(status): _refusal(status, says) for status, says in REFUSALS.items()}
        for name, schema in components["schemas"].items():
            if name in DOCUMENTS:
                schema["examples"] = [DOCUMENTS[name]]
        for path in document["paths"].values():
            for operation in path.values():
                _complete(operation["responses"])
                _illustrate(operation)
        return document

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the operation's own name; where its code stands is no business of a client's."""
        return operation.view_func.__name__


def _complete(responses: dict[Any, Any]) -> None:
    for status, answer in responses.items():
        answer["headers"] = _headers(int(status))
    for status in REFUSALS:
        responses.setdefault(status, {"$ref": f"#/components/responses/{_name(status)}"})


def _illustrate(operation: dict[str, Any]) -> None:
    for each in operation["parameters"]:
        if each["in"] == "header":
            # ninja has it as a name of Python, which is none that a proxy lets through.
            each["name"] = "-".join(part.capitalize() for part in each["name"].split("_"))
        if each["name"] in PARAMETERS:
            each["example"] = PARAMETERS[each["name"]]
    if operation["operationId"] not in ANSWERS:
        return
    content = operation["responses"][200]["content"]
    content["application/json"]["example"] = ANSWERS[operation["operationId"]]
    if operation.get("x-stream") == "ndjson":
        content["application/x-ndjson"] = content.pop("application/json")


def _headers(status: int) -> dict[str, Any]:
    names = [*([] if status in WITHOUT_RULES else [POLICY, LEFT]), *(["Retry-After"] if status in WITH_RETRY else [])]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _refusal(status: int, says: str) -> dict[str, Any]:
    example = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": says}
    return {
        "description": TITLES[status],
        "headers": _headers(status),
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


def _name(status: int) -> str:
    return f"Problem{status}"
