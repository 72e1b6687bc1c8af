"""What `why`, `ledger`, `node` and `config` print of a server: its own words and figures, in the form of theirs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from smart_cron.core.why_facts import Answer, Step
from smart_cron.faces.cli.remote.client import Api, instant


def why_slot(api: Api, task: str, **asked: Any) -> Sequence[tuple[Answer, Mapping[str, Any]]]:
    """Return each answer, to be told to people, with its document for programs."""
    found = api.get(f"/tasks/{quote(task, safe='')}/why", **asked)
    return [(_answer(document), document) for document in found]


def story(api: Api, task: str, *, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
    """Return the events of a task as documents."""
    found: Sequence[Mapping[str, Any]] = api.get(f"/tasks/{quote(task, safe='')}/why", since=since, until=until)
    return found


def ledger_lines(api: Api, names: Sequence[str], since: datetime | None, until: datetime | None) -> Iterator[str]:
    """Yield the lines of these tasks, of all where none is named."""
    for name in names or (None,):
        yield from api.lines("/ledger", task=name, since=since, until=until)


def ledger_counts(lines: Iterator[str]) -> Mapping[str, Counter[str]]:
    """Count statuses by the name of the task."""
    found: dict[str, Counter[str]] = {}
    for line in lines:
        entry = json.loads(line)
        found.setdefault(entry["task"], Counter())[entry["status"]] += 1
    return found


def node_documents(api: Api) -> Sequence[Mapping[str, Any]]:
    """Return the nodes, instants as such."""
    rows = api.get("/nodes")
    return [{**row, "heard_at": instant(row["heard_at"]), "started_at": instant(row["started_at"])} for row in rows]


def settings_document(api: Api) -> Mapping[str, Any]:
    """Return the settings in their tables."""
    found: dict[str, Any] = {}
    for setting in api.get("/settings"):
        *tables, key = setting["key"].split(".")
        place = found
        for table in tables:
            place = place.setdefault(table, {})
        place[key] = setting["value"]
    return found


def _answer(document: Mapping[str, Any]) -> Answer:
    slot = instant(document["scheduled_for"])
    assert slot is not None
    return Answer(
        task=document["task"],
        slot=slot,
        outcome=document["outcome"],
        sentence=document["sentence"],
        steps=[Step(decision=step["decision"], says=step["says"]) for step in document["decisions"]],
        before=instant(document["slot_before"]),
        after=instant(document["slot_after"]),
    )
