"""The port `PublicStore`: what of the public interface is there."""

from __future__ import annotations

from collections.abc import Sequence

from smart_cron.store.public import events, routines, views
from smart_cron.store.session import Session


class PublicInterface:
    """Looks at views, routines and the event."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def missing(self) -> Sequence[str]:
        """Return a sentence for each view or routine that is not there, or cannot be used."""
        return [*views.missing(self._session), *routines.missing(self._session)]

    def not_made(self) -> Sequence[str]:
        """Return a sentence for each that the last `migrate` of this process could not make, with the reason."""
        return self._session.not_made

    def spare(self, days: int | None) -> None:
        """Let the server's own clean-up delete nothing younger than these days; nothing at all where that is None."""
        events.spare(self._session, days)

    def remarks(self) -> Sequence[str]:
        """Return what is left to the engine since this server does not do it."""
        remark = events.remark(self._session)
        return [remark] if remark else []
