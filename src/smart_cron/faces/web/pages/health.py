"""`/health`: each check with value, threshold, last change and remedy, and what the nodes use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from smart_cron.core.health import FRESH, CheckStatus, Finding
from smart_cron.core.node import NodeRecord, NodeState
from smart_cron.core.people import Person, Role
from smart_cron.faces.web.asked import Asked, UnusableError
from smart_cron.faces.web.guard import Route, actor_of, person_of
from smart_cron.faces.web.node_chart import node_chart
from smart_cron.faces.web.premises import Premises, premises_of
from smart_cron.faces.web.rendering import part, render
from smart_cron.faces.web.wellbeing import findings_of

CHORE = "health"
# Statuses are compared so far back; for that long a check that never changed says "longer".
LOOKED_BACK = timedelta(days=7)
CHANGES_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A check, and since when it is as it is: None where that is longer than anybody looked back."""

    finding: Finding
    since: datetime | None


def health(request: HttpRequest) -> HttpResponse:
    """Show the page; what changes is kept up to date by its stream."""
    premises, person = premises_of(request), person_of(request)
    nodes = premises.store.nodes.nodes()
    node = _node(request.GET, nodes, premises.config.node_name)
    chart = node_chart(premises, node, datetime.now(UTC))
    return render(
        request, "health.html", regions=_regions(premises, person, node),
        node=node, names=[each.name for each in nodes], chart=chart,
    )  # fmt: skip


def regions(premises: Premises, person: Person, query: QueryDict) -> Mapping[str, str]:
    """Return the parts that change."""
    try:
        node = _node(query, premises.store.nodes.nodes(), premises.config.node_name)
    except (UnusableError, Http404):
        return {}
    return _regions(premises, person, node)


def check(request: HttpRequest) -> HttpResponse:
    """Look again, as `smart-cron health` does."""
    premises, actor = premises_of(request), actor_of(request)
    Asked(request.POST, ())
    if premises.chores.begin(CHORE, lambda: _look(premises), by=str(actor)):
        premises.store.audit.note("check health", actor=actor, entity=("node", 0, premises.config.node_name))
    else:
        messages.info(request, _("Somebody looks already."))
    return HttpResponseRedirect(reverse("health"))


def _look(premises: Premises) -> tuple[bool, str]:
    # Late: psutil and every check come along, and only who looks needs them.
    from smart_cron.wiring.health_kept import keep
    from smart_cron.wiring.health_of import look_after, ward_of

    ward = ward_of(premises.config, store=premises.store)
    examination = look_after(ward)
    kept = keep(ward, examination)
    return not kept.faults, " ".join(kept.faults)


def _node(query: QueryDict, nodes: Sequence[NodeRecord], own: str) -> str:
    name = Asked(query, ("node",)).text("node")
    # Before its first master this node is in no list.
    known = [each.name for each in nodes] or [own]
    if name is not None and name not in known:
        raise Http404
    return name or (own if own in known else known[0])


def _regions(premises: Premises, person: Person, node: str) -> Mapping[str, str]:
    latest, chore = premises.store.health.latest(within=FRESH), premises.chores.newest(CHORE)
    return {
        "verdict": part(premises, person, "health/_verdict.html", health=latest, chore=chore),
        "checks": part(
            premises, person, "health/_checks.html", rows=_rows(premises, findings_of(latest, person)),
        ),
        "nodes": part(premises, person, "health/_nodes.html", nodes=_nodes(premises), here=node),
        "usage": part(
            premises, person, "_chart_data.html", chart=node_chart(premises, node, datetime.now(UTC))
        ),
    }  # fmt: skip


def _rows(premises: Premises, findings: Sequence[Finding]) -> list[Row]:
    seen = premises.memo.get(
        "health changes", lambda: premises.store.health.last_seen(within=LOOKED_BACK), seconds=CHANGES_SECONDS
    )
    return [Row(finding=each, since=_since(each, seen)) for each in findings]


def _since(finding: Finding, seen: Mapping[tuple[str, str | None, CheckStatus], datetime]) -> datetime | None:
    """Return when it was otherwise last: from then on it is as it is."""
    others = [
        at
        for (check, node, status), at in seen.items()
        if (check, node) == (finding.check, finding.node) and status is not finding.status
    ]
    return max(others, default=None)


def _nodes(premises: Premises) -> list[tuple[NodeRecord, NodeState, object]]:
    now = premises.store.database.now()
    silence = timedelta(seconds=premises.config.node_silence_seconds)
    latest = {sample.node: sample for sample in premises.store.samples.latest()}
    return [
        (each, each.state(now=now, silence=silence), latest.get(each.name)) for each in premises.store.nodes.nodes()
    ]


ROUTES = (
    Route(path="health", view=health, name="health"),
    Route(path="health/check", view=check, name="health_check", see=None, change=Role.OPERATOR),
)
