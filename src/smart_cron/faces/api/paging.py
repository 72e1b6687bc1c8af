"""What operations are asked: keyset pages of what is long, by the number of the last one seen, and points in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field
from pydantic_core import PydanticCustomError

from smart_cron.core.moments import FIRST_YEAR, is_in_reach
from smart_cron.core.zones import MAX_YEAR

LARGEST = 9_223_372_036_854_775_807
Number = Annotated[int, Field(ge=1, le=LARGEST)]


def _in_reach(at: datetime) -> datetime:
    """Return it in UTC. The first and last years have hours that no other zone can tell, and databases none at all."""
    if not is_in_reach(at) or not is_in_reach(at := at.astimezone(UTC)):
        words = "The years from {first} to {last} are known"
        raise PydanticCustomError("out_of_reach", words, {"first": FIRST_YEAR, "last": MAX_YEAR})
    return at


# Of whatever is asked of the API: with a zone, and in a year of which something can be said.
Instant = Annotated[AwareDatetime, AfterValidator(_in_reach)]


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
