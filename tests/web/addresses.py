"""Every address there is, from the routes themselves: a new one is walked by itself."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from tests import warm
from tests.web.conftest import House
from tests.web.visitors import ROLES

LIST = """
import json
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from smart_cron.faces.api.access import NEEDS
from smart_cron.faces.api.application import RESOURCES
from smart_cron.faces.web.live.pages import LIVE_PAGES
from smart_cron.faces.web.urls import PAGES
pages = [[each.path, each.name, str(each.see), str(each.change), each.limit] for each in PAGES]
operations = [
    [method, prefix + each.path, str(getattr(each.view_func, NEEDS)),
     any(model.__ninja_param_source__ == "body" for model in each.models)]
    for prefix, router in RESOURCES for view in router.path_operations.values() for each in view.operations
    for method in each.methods
]
streams = [[name, str(page.see)] for name, page in LIVE_PAGES.items()]
print(json.dumps({"pages": pages, "operations": operations, "streams": streams}))
"""
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Place:
    """A page: `see` and `change` are roles, `anybody`, or `None` for nobody."""

    path: str
    name: str
    see: str
    change: str
    limit: str

    def address(self, values: Mapping[str, str] = NOTHING) -> str:
        """Return an address of it, of something that is not there but where *values* names it."""
        return filled("/" + self.path, values)

    @property
    def is_open(self) -> bool:
        return self.see == "anybody"


@dataclass(frozen=True)
class Operation:
    """Of the API; `needs` is a role."""

    method: str
    path: str
    needs: str
    has_body: bool

    def address(self, values: Mapping[str, str] = NOTHING) -> str:
        return filled("/api/v1" + self.path, values)


@dataclass(frozen=True)
class Everything:
    pages: tuple[Place, ...]
    operations: tuple[Operation, ...]
    # By name, with the role that each needs.
    streams: Mapping[str, str]

    def addresses(self, values: Mapping[str, str] = NOTHING) -> list[str]:
        """Return each address once, whatever it is that answers there."""
        found = [each.address(values) for each in self.pages]
        found += [each.address(values) for each in self.operations]
        found += [f"/stream/{name}" for name in (*self.streams, "output/1", "log")]
        found += [
            "/api/v1/openapi.json",
            "/api/v1/docs",
            "/healthz",
            "/readyz",
            "/metrics",
            "/ping/x",
            "/static/app.css",
        ]
        return list(dict.fromkeys(found))


def everything_in(house: House) -> Everything:
    """Ask the product, in a process of its own."""
    done = warm.run([sys.executable, "-c", LIST], env=house.environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Everything(
        tuple(Place(*each) for each in found["pages"]),
        tuple(Operation(*each) for each in found["operations"]),
        dict(found["streams"]),
    )


def filled(path: str, values: Mapping[str, str]) -> str:
    """Put values in by their names; for others something that is not there."""
    path = re.sub(r"[<{](?:(\w+):)?(\w+)[>}]", lambda found: values.get(found[2]) or _absent(found[1], found[2]), path)
    assert not set(path) & set("<>{}"), path
    return path


def _absent(kind: str | None, name: str) -> str:
    if kind == "uuid":
        return "00000000-0000-4000-8000-000000000000"
    return "999999999" if kind == "int" or name in ("run", "number", "revision") else "nothing"


def may(role: str, needed: str) -> bool:
    """Whether this role is, or is more than, the needed one."""
    return needed in ROLES and ROLES.index(role) >= ROLES.index(needed)
