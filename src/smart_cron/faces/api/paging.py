"""Pages of what is long: keyset pages, by the number of the last one seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field

LARGEST = 9_223_372_036_854_775_807
Number = Annotated[int, Field(ge=1, le=LARGEST)]


class Closed(Schema):
    """Takes what it names and nothing else: a field that is misspelt is a fault, not a wish that is not heard."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000)


class Paging(Closed):
    """`cursor` is `next` of the page before."""

    cursor: Number | None = Field(None, description="`next` of the page before; without it the first page.")
    limit: int = Field(50, ge=1, le=500)


def page(rows: Sequence[Mapping[str, Any]], limit: int, *, key: str = "id") -> dict[str, Any]:
    """Return rows as a page; one row more than *limit* was asked of the store to know whether there is another."""
    shown = list(rows[:limit])
    return {"items": shown, "next": shown[-1][key] if len(rows) > limit else None}
