"""What a command works with, each opened only when it asks: settings, house, the person's name."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import SmartCronError

if TYPE_CHECKING:
    from smart_cron.config import Config
    from smart_cron.wiring import House


def _load_config() -> Config:
    from smart_cron.config import load_config

    return load_config()


def _open_house(**options: Any) -> House:
    from smart_cron.wiring import open_house

    return open_house(**options)


class Session:
    """One call of `smart-cron`. Tests hand in a house of their own."""

    def __init__(
        self,
        *,
        load_config: Callable[[], Config] = _load_config,
        open_house: Callable[..., House] = _open_house,
    ) -> None:
        self._load_config, self._open_house = load_config, open_house
        self._server: tuple[str, Path] | None = None

    def ask(self, server: str, key_file: Path) -> None:
        """Have the commands ask this dashboard, with the API key in this file, in place of the database."""
        self._server = (server, key_file)

    @property
    def is_remote(self) -> bool:
        """Whether commands ask a dashboard elsewhere."""
        return self._server is not None

    @property
    def time_zone(self) -> str:
        """The zone in which times are told: ours, or the server's."""
        if not self.is_remote:
            return self.config().time_zone
        with self.house() as house:
            return house.config.time_zone

    def config(self) -> Config:
        """Return the settings. Raise ConfigError, and SmartCronError where they are another machine's."""
        if self._server is not None:
            raise SmartCronError("this is done on the machine itself.", remedy="Leave --server out, there.")
        return self._load_config()

    @contextmanager
    def house(self, *, knows_logins: bool = False, **options: bool) -> Iterator[House]:
        """Open settings, database and log for the length of a command; options as for `wiring.open_house`.

        *knows_logins*: with the tables of those who may log in, which takes half a second that no other command should.
        """
        if self._server is not None:
            yield self._remote(*self._server)
            return
        if knows_logins:
            from smart_cron.faces.web.settings import know_logins

            know_logins(self.config())
        house = self._open_house(**options)
        if sys.stderr.isatty():
            house.store.session.tell_waiting(lambda: _tell_waiting(house))
        try:
            yield house
        finally:
            house.close()

    @staticmethod
    def _remote(server: str, key_file: Path) -> House:
        from smart_cron.faces.cli.remote.house import open_remote_house

        # It has the parts that these commands ask for; the others say that they are not to be had.
        return cast("House", open_remote_house(server, key_file))

    @property
    def actor(self) -> Actor:
        """Who asks, for the audit: the login behind `sudo` where there is one."""
        return Actor(f"cli:{os.environ.get('SUDO_USER') or _login(os.getuid())}", source=Source.CLI)


def _tell_waiting(house: House) -> None:
    from smart_cron.faces.cli.errors import note

    seconds = house.config.database.timeout_seconds
    note(f"The database is busy: somebody else writes to it. This waits for at most {seconds} s.")


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


pass_session = click.make_pass_decorator(Session, ensure=True)
