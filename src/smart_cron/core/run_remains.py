"""What the end of a run told beside its outcome: processes that it left, and limits that its machine could not keep."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def left_behind(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what a run left: `leftovers` that were ended, and `unkillable` ones."""
    found = _told_of_end(row)
    return {key: list(found.get(key) or ()) for key in ("leftovers", "unkillable")}


def unkept_limits(row: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each limit of the run that its machine could not keep."""
    return list(_told_of_end(row).get("unkept_limits") or ())


def _told_of_end(row: Mapping[str, Any]) -> Mapping[str, Any]:
    text = row.get("leftovers")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"leftovers": [text]}
    return found if isinstance(found, dict) else {}
