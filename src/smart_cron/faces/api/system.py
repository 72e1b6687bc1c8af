"""What is of no single task: how the system is, its nodes, holds, schedules in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from smart_cron import __version__
from smart_cron.core.health import FRESH
from smart_cron.core.people import Role
from smart_cron.core.schedule import Schedule
from smart_cron.core.task_words import slots_ahead
from smart_cron.core.words import describe
from smart_cron.core.zones import zone
from smart_cron.faces.api.access import actor_of, needs, person_of
from smart_cron.faces.api.paging import Closed
from smart_cron.faces.api.schemas import Said
from smart_cron.faces.web.backup_work import house_of
from smart_cron.faces.web.premises import premises_of
from smart_cron.faces.web.wellbeing import findings_of
from smart_cron.wiring.forgetting import forgettable

router = Router(tags=["system"])


class HoldOut(Schema):
    """Why nothing starts."""

    kind: str
    reason: str
    actor: str
    since: datetime | None


class FindingOut(Schema):
    """What one check came to."""

    check: str
    status: str
    message: str
    remedy: str
    measured: float | None
    threshold: float | None
    unit: str | None
    node: str | None
    response_time_ms: float | None


class StatusOut(Schema):
    """How the system is."""

    version: str
    node: str
    time_zone: str
    status: str
    checked_at: datetime | None
    findings: list[FindingOut]
    holds: list[HoldOut]


class NodeOut(Schema):
    """A node as the database knows it."""

    name: str
    state: str
    host: str
    version: str
    max_concurrent: int
    tags: list[str]
    held: int
    heard_at: datetime
    started_at: datetime | None
    master_pid: int | None
    identity: str
    heartbeats: int


class Expression(Closed):
    """A schedule to put in words."""

    expression: str = Field(max_length=255)
    time_zone: str | None = Field(None, max_length=64)
    count: int = Field(5, ge=1, le=100)


class Explained(Schema):
    """A schedule in words, and its next slots."""

    words: str
    time_zone: str
    slots: list[datetime]


@router.get("/status", response=StatusOut, summary="How the system is")
@needs(Role.VIEWER)
def status(request: HttpRequest) -> dict[str, Any]:
    """healthy, unhealthy, or unknown where nobody has looked lately; and what is held back."""
    premises = premises_of(request)
    store = premises.store
    latest = store.health.latest(within=FRESH)
    return {
        "version": __version__,
        "node": premises.config.node_name,
        "time_zone": premises.config.time_zone,
        "status": latest.word,
        "checked_at": latest.checked_at,
        "findings": findings_of(latest, person_of(request)),
        "holds": store.holds.holds(),
    }


@router.get("/nodes", response=list[NodeOut], summary="The nodes that share the database")
@needs(Role.VIEWER)
def nodes(request: HttpRequest) -> list[dict[str, Any]]:
    """By name."""
    premises = premises_of(request)
    now, silence = premises.store.database.now(), timedelta(seconds=premises.config.node_silence_seconds)
    return [
        {
            "name": node.name,
            "state": str(node.state(now=now, silence=silence)),
            "host": node.host,
            "version": node.version,
            "max_concurrent": node.max_concurrent,
            "tags": list(node.tags),
            "held": node.held,
            "heard_at": node.heard_at,
            "started_at": node.started_at,
            "master_pid": node.master_pid,
            "identity": node.identity,
            "heartbeats": node.heartbeats,
        }
        for node in premises.store.nodes.nodes()
    ]


@router.post("/nodes/{name}/forget", response=Said, summary="Strike out a node that is gone for good")
@needs(Role.ADMIN)
def forget_node(request: HttpRequest, name: str) -> dict[str, Any]:
    """Runs that it still holds are recorded as lost. Refused while it is alive, or runs of it live on this machine."""
    house = house_of(premises_of(request))
    forgettable(house, name)
    lost = house.forget_node(name, actor=actor_of(request))
    return {"changed": True, "message": f"Node '{name}' is forgotten; {lost} of its runs were recorded as lost."}


@router.get("/explain", response=Explained, summary="A schedule in words")
@needs(Role.VIEWER)
def explain(request: HttpRequest, asked: Query[Expression]) -> dict[str, Any]:
    """And its next slots, of fifty years to come."""
    premises = premises_of(request)
    schedule, place = Schedule.parse(asked.expression), zone(asked.time_zone or premises.config.time_zone)
    now = premises.clock.now()
    slots = [] if schedule.is_reboot else list(islice(slots_ahead(schedule, now, now, place), asked.count))
    return {"words": describe(asked.expression), "time_zone": place.key, "slots": slots}
