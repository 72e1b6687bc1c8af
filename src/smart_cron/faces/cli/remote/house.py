"""A house elsewhere: what commands work with when `--server` names one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports import Clock
from smart_cron.engine.clock import SystemClock
from smart_cron.faces.cli.remote.client import Api
from smart_cron.faces.cli.remote.held import RemoteHeld
from smart_cron.faces.cli.remote.history import RemoteAlerts, RemoteHistory
from smart_cron.faces.cli.remote.tasks import RemoteTasks
from smart_cron.faces.cli.remote.watch import RemoteAudit
from smart_cron.faces.web.keys import kept_key

if TYPE_CHECKING:
    from smart_cron.wiring import House


def _on_the_machine(name: str) -> Exception:
    if name.startswith("__"):
        return AttributeError(name)
    return SmartCronError("this is done on the machine itself.", remedy="Leave --server out, there.")


class OnTheMachineAlone:
    """Stands where a part of the house is not to be had from afar."""

    def __getattr__(self, name: str) -> Any:
        raise _on_the_machine(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteConfig:
    """What commands ask of the settings of a server."""

    time_zone: str
    node_name: str = ""
    alert_email: str | None = None
    channels: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        raise _on_the_machine(name)


class _Database:
    """Each request is a transaction of its own."""

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True, kw_only=True)
class RemoteStore:
    """The ports that the API stands for."""

    tasks: RemoteTasks
    history: RemoteHistory
    alerts: RemoteAlerts
    held: RemoteHeld
    audit: RemoteAudit
    database: _Database = field(default_factory=_Database)
    elsewhere: OnTheMachineAlone = field(default_factory=OnTheMachineAlone)

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["elsewhere"]


@dataclass(frozen=True, kw_only=True)
class RemoteHouse:
    """A server's tasks, runs and alerts."""

    config: RemoteConfig
    store: RemoteStore
    api: Api
    clock: Clock = field(default_factory=SystemClock)
    is_remote: bool = True

    def __getattr__(self, name: str) -> Any:
        raise _on_the_machine(name)

    @contextmanager
    def hold_node(self) -> Iterator[bool]:
        """Nobody holds a node from afar."""
        yield False

    def master_is_running(self) -> bool:
        """Return True: whether one works is the server's business."""
        return True

    def close(self) -> None:
        """Nothing is open."""


def open_remote_house(url: str, key_file: Path) -> RemoteHouse:
    """Return the house of this server. Raise SmartCronError, ConfigError for a key that is open to others."""
    api = Api(url, kept_key(key_file))
    tasks = RemoteTasks(api)
    store = RemoteStore(
        tasks=tasks,
        history=RemoteHistory(api, tasks),
        alerts=RemoteAlerts(api, tasks),
        held=RemoteHeld(api, tasks),
        audit=RemoteAudit(api),
    )
    return RemoteHouse(config=RemoteConfig(time_zone=api.get("/status")["time_zone"]), store=store, api=api)


def api_of(house: House) -> Api:
    """Return the API of a house that is elsewhere."""
    return cast("RemoteHouse", house).api
