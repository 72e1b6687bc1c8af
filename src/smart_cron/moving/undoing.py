"""A move taken back: while nothing was done with the new database, or where somebody says that it may be lost."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from smart_cron.config import masked_url
from smart_cron.core.errors import SmartCronError
from smart_cron.core.move import MoveRefusedError
from smart_cron.core.node import Hold, HoldKind, NodeState
from smart_cron.moving.safety import moved_hold, new_place
from smart_cron.store.gateway import open_store
from smart_cron.store.moving import arrival
from smart_cron.store.moving.use import use_since

if TYPE_CHECKING:
    from smart_cron.store.gateway import Store
    from smart_cron.wiring import House

ANYWAY = "or give --force, where nobody needs what was done there"


def take_back(house: House, *, actor: str, url: str | None = None, force: bool = False) -> Hold:
    """Let starts go on here; return the hold that stood.

    *url* is the new database's, as far as the hold does not tell it. Raise SmartCronError where nothing was moved,
    MoveRefusedError where the new database was used since, or cannot be asked, unless *force* is given.
    """
    hold = moved_hold(house)
    if hold is None:
        raise SmartCronError("this database was not moved away, so there is nothing to undo.")
    if not force:
        refuse_used(house, hold, url)
    house.store.holds.release(HoldKind.MOVED, actor=actor)
    return hold


def refuse_used(house: House, hold: Hold, url: str | None) -> None:
    """Raise MoveRefusedError, with the counts, where the new database was used since, or cannot be asked."""
    place = url or new_place(hold)
    if place is None or ":***@" in place:
        raise MoveRefusedError(
            "whether the new database was used since is not known here: its password was not kept.",
            remedy=f"Name it as for the move (--to, --to-file); {ANYWAY}.",
        )
    found = _use_of(house, hold, place)
    if found:
        raise MoveRefusedError(
            f"the new database, {masked_url(place)}, was used since: {found}.",
            remedy="Stop its masters, and move it back: set [database] url to it, then 'smart-cron db move --to' "
            f"an empty database; {ANYWAY}.",
        )


def _use_of(house: House, hold: Hold, url: str) -> str:
    """Say how the new database was used since; nothing where it was not."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not os.path.exists(unquote(parts.path)):
        return ""
    store = open_store(url, alias="move", timeout_seconds=house.config.database.timeout_seconds)
    try:
        use = use_since(store.session, house.store.session, arrival.mark_in(hold.reason) or "no move of ours")
        if use is None:
            return ""
        masters = _masters(house, store)
    except SmartCronError as error:
        raise MoveRefusedError(
            f"whether the new database was used since cannot be asked: {error.message}",
            remedy=f"Let it answer, or name it (--to, --to-file); {ANYWAY}.",
        ) from None
    finally:
        store.database.close()
    told = [f"this one lacks {use.words}"] if use.words else []
    return "; ".join([*told, *([f"masters work there on {', '.join(masters)}"] if masters else [])])


def _masters(house: House, store: Store) -> list[str]:
    now, silence = store.database.now(), timedelta(seconds=house.config.node_silence_seconds)
    records = store.nodes.nodes()
    return [record.name for record in records if record.state(now=now, silence=silence) is NodeState.ALIVE]
