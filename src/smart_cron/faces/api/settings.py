"""`/settings` and `/channels`: what is set and where it comes from, and whether the channels work.

Settings stand in a file and the environment, and are changed there: no page and no program changes any.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Router, Schema

from smart_cron.config.origins import Setting, settings_of
from smart_cron.core.people import Role
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.quota import count
from smart_cron.faces.web.channel_test import UnknownChannelError, testable, tried
from smart_cron.faces.web.limits import user_key
from smart_cron.faces.web.premises import premises_of
from smart_cron.services.notify.tested import last_tests

router = Router(tags=["settings"])
LONGEST_WORDS = 500


class SettingOut(Schema):
    """A setting. Secrets are `***` where they are set."""

    key: str
    value: Any
    default: Any
    source: Literal["environment", "file", "default"]


class ChannelOut(Schema):
    """A way out for alerts, with its last test. `fault` says why it cannot be used as it is set."""

    name: str
    kind: str
    fault: str | None
    tested_at: datetime | None
    test_ok: bool | None
    test_answer: str | None


class ChannelTest(Schema):
    """Whether a message was taken, and the server's answer, or why it was not."""

    channel: str
    ok: bool
    answer: str


@router.get("/settings", response=list[SettingOut], summary="Every setting, its default, and where it comes from")
@needs(Role.ADMIN)
def list_settings(request: HttpRequest) -> list[Setting]:
    """By key. They are changed in the settings file and the environment of the server, never from here."""
    return settings_of(premises_of(request).config)


@router.get("/channels", response=list[ChannelOut], summary="The channels for alerts")
@needs(Role.ADMIN)
def list_channels(request: HttpRequest) -> list[dict[str, Any]]:
    """With what their last test came to."""
    config = premises_of(request).config
    tests = last_tests(config.state_dir)
    return [
        {
            "name": name,
            "kind": entry.kind,
            "fault": entry.fault,
            "tested_at": tests[name].tested_at if name in tests else None,
            "test_ok": tests[name].ok if name in tests else None,
            "test_answer": tests[name].words if name in tests else None,
        }
        for name, entry in testable(config).items()
    ]


@router.post("/channels/{name}/test", response=ChannelTest, summary="Send a test message over a channel")
@needs(Role.ADMIN)
def test_channel(request: HttpRequest, name: str) -> dict[str, Any]:
    """To whom the settings name; the answer waits for the server's."""
    premises = premises_of(request)
    entry = testable(premises.config).get(name)
    if entry is None:
        raise UnknownChannelError(name)
    count(request, "channel tests", user_key(person_of(request).id))
    is_taken, words = tried(premises, entry, actor=actor_of(request))
    return {"channel": name, "ok": is_taken, "answer": words[:LONGEST_WORDS]}
