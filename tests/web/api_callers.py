"""Programs that call the API with a key."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

from tests import warm
from tests.web.conftest import Answer, Dashboard, House

MAKE = """
import sys
from smart_cron.config import load_config
from smart_cron.core.people import Role
from smart_cron.faces.web.settings import open_web_store
store = open_web_store(load_config())
from smart_cron.store.people.keys import KeyBook
from smart_cron.store.people.models import User
name, role = sys.argv[1:]
user = User.objects.get(username=name)
print(KeyBook(store.session, store.audit).make(user.pk, label="test", role=Role(role), expires_at=None, actor="test"))
"""


BIND = """
import json, sys
from smart_cron.config import load_config
from smart_cron.faces.web.settings import open_web_store
open_web_store(load_config())
from smart_cron.store.people.models import User
User.objects.filter(username=sys.argv[1]).update(task_groups=json.dumps(sys.argv[2:]))
"""


def bind(house: House, name: str, *groups: str) -> None:
    """Let a user near these groups of tasks alone."""
    done = warm.run([sys.executable, "-c", BIND, name, *groups], env=house.environment, cwd="/")
    assert done.returncode == 0, done.stderr


def make_key(house: House, name: str, role: str) -> str:
    """Make a key of a user, as the settings page does."""
    done = warm.run([sys.executable, "-c", MAKE, name, role], env=house.environment, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


@dataclass
class Caller:
    """Sends JSON and reads JSON."""

    dashboard: Dashboard
    key: str

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {self.key}", **{name.replace("_", "-"): at for name, at in headers.items()}}
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        return self.dashboard.ask(f"/api/v1{path}", method, body=content, headers=given)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def fails(self, status: int, method: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Call what has to be refused with this status; return the problem's details."""
        answer = self.ask(method, path, body, **headers)
        assert answer.status == status, (answer.status, answer.body)
        assert answer.headers["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(answer.body)
        assert found["status"] == status
        return found
