"""The audit log in words: what a row changed, and what a look through all of it found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smart_cron.core.audit import AuditEntry, AuditReport, BadRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value before and after; `was` and `is_now` say which of the two there are."""

    name: str
    before: Any = None
    after: Any = None
    was: bool = True
    is_now: bool = True


def changes_of(entry: AuditEntry) -> Iterator[Change]:
    """Yield what changed. Of what was added or is gone only what somebody chose is worth its place."""
    old, new = values_of(entry.old_values), values_of(entry.new_values)
    for name, after in new.items():
        if name in old:
            yield Change(name=name, before=old[name], after=after)
        elif after not in (None, ""):
            yield Change(name=name, after=after, was=False)
    for name, before in old.items():
        if name not in new and before not in (None, ""):
            yield Change(name=name, before=before, is_now=False)


def values_of(text: str | None) -> Mapping[str, Any]:
    """Return a row's values; a text that was cut to fit its column is shown as it stands."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {"cut": text}
    return found if isinstance(found, dict) else {"value": found}


def report_sentences(report: AuditReport, row_hash: str | None) -> Iterator[str]:
    """Yield what the look found, a sentence each; *row_hash* is the log's end."""
    yield from map(_sentence, report.bad)
    if report.bad_rows > len(report.bad):
        yield f"… and {report.bad_rows - len(report.bad)} more."
    if report.unsealed_before:
        older = f"{report.unsealed_before} {'row is' if report.unsealed_before == 1 else 'rows are'}"
        yield f"{older} older than the first seal (row {report.first_sealed_id or 'none'}) and can prove nothing."
    if report.is_whole:
        yield f"The audit log is as it was written: {report.sealed} sealed row{'' if report.sealed == 1 else 's'}."
        if row_hash:
            yield f"Its end is {row_hash}; who keeps that elsewhere can prove it later."


def _sentence(bad: BadRow) -> str:
    where = "The log" if bad.id is None else f"Row {bad.id}"
    return f"{where}: {bad.fault}: {bad.sentence}."
