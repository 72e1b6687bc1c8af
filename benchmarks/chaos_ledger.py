"""The ledger of a chaos run, as `smart-cron ledger --jsonl` prints it."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.chaos_nodes import Node


def read_ledger(node: Node, *, database_url: str) -> list[dict[str, Any]]:
    """Return every line of the ledger of the database at this URL, by no proxy."""
    return [json.loads(line) for line in node.call("ledger", "--jsonl", database_url=database_url).splitlines()]
