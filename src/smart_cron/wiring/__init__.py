"""Builds the object graph: the one place that knows every room by name.

What only a master needs is built in `mastering`, so that a command that asks the database imports no engine.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron import __version__
from smart_cron.config import Config, load_config
from smart_cron.core.adoption import Adoption
from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import SmartCronError
from smart_cron.core.ports import Clock, Log
from smart_cron.core.ports.alerts import Bell
from smart_cron.core.task import TaskDefinition
from smart_cron.core.traced import RecordedRuns
from smart_cron.engine.clock import SystemClock
from smart_cron.home import (
    make_database_file,
    make_directories,
    require_closed_to_others,
    require_home,
    require_owner,
    require_run_dir,
    service_uid,
    write_settings_file,
)
from smart_cron.logs.events import open_event_log
from smart_cron.store.gateway import Store, open_store

if TYPE_CHECKING:
    from smart_cron.engine.master import Master
    from smart_cron.taskrunner.client import RunnerClient

# Whoever prepares a home; the login is not known that deep.
BY_INIT = Actor("init", source=Source.CLI)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that a face needs, built from one Config."""

    config: Config
    store: Store
    clock: Clock
    log: Log
    recorded: RecordedRuns = field(default_factory=RecordedRuns)
    # Whether it stands on another machine, so that files and users of this one say nothing of it.
    is_remote: bool = False
    _owners: list[Store] = field(default_factory=list)

    @contextmanager
    def hold_node(self) -> Iterator[bool]:
        """Hold this node's master lock; yield False where another master has it. It goes with the process."""
        descriptor = open_lock(self.config.state_dir / "master.lock")
        try:
            yield is_locked(descriptor)
        finally:
            os.close(descriptor)

    def master_is_running(self) -> bool:
        """Whether a master works for this node now."""
        with self.hold_node() as held:
            return not held

    def master(self, *, bell: Bell | None = None, adopt: Callable[[Config], None] = lambda _: None) -> Master:
        """Return a master of this node; `hold_node` must be held while it works.

        *bell* is rung for alerts, *adopt* is handed settings that were read anew.
        """
        from smart_cron.wiring.mastering import master_of

        return master_of(self, bell=bell, adopt=adopt)

    def forget_node(self, name: str, *, actor: str) -> int:
        """Settle what a node holds as lost and strike it out; return how many runs were lost. It must not be alive."""
        from smart_cron.wiring.mastering import forget_node

        return forget_node(self, name, actor=actor)

    def owner(self) -> Store:
        """Return the store by the account that may make tables; it is hung up with the house."""
        if self.config.migrate_url == self.config.database_url:
            return self.store
        if not self._owners:
            self._owners.append(open_owner(self.config))
        return self._owners[0]

    def check_script(self, definition: TaskDefinition) -> str | None:
        """Return what is wrong with the task's script as a sentence, or None."""
        if definition.script is None:
            return None
        return check_task_script(definition, self.config)

    def close(self) -> None:
        """Write what is buffered and hang up."""
        self.log.flush()
        for store in (*self._owners, self.store):
            store.database.close()


def runner_client(config: Config) -> RunnerClient:
    """Return a client of this node's task runner; it starts one where the settings do not leave that to a unit."""
    from smart_cron.taskrunner.client import RunnerClient

    return RunnerClient(
        state_dir=config.state_dir, run_dir=config.run_dir, version=__version__, start=config.start_task_runner
    )


def task_runner_command(config: Config) -> list[str]:
    """Return the command that is this node's task runner: in the foreground, for a unit, and never idle.

    Raises SmartCronError where there is no home, or where it is another user's.
    """
    from smart_cron.taskrunner.client import runner_command

    require_home(config)
    require_owner(config)
    require_run_dir(config)
    command = runner_command(
        state_dir=config.state_dir, run_dir=config.run_dir, version=__version__, idle_seconds=math.inf
    )
    return [*command, "--foreground", "yes"]


def _unlocked(error: OSError) -> str:
    if error.errno in (errno.EROFS, errno.EIO):
        return "Its disk failed, or is mounted read-only: dmesg says why."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Make room on its disk; how full it is: df -h and df -i."
    if error.errno in (errno.EACCES, errno.EPERM):
        return "Run this as the user who owns the state directory, or as root."
    return "Delete what stands there; nothing is lost."


def open_lock(path: Path) -> int:
    """Open the file of a lock in the state directory. Raise SmartCronError where something else stands there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise SmartCronError(f"the lock {path} cannot be opened: {error.strerror}.", remedy=_unlocked(error)) from None
    if os.geteuid() == 0:
        # A question by root must not leave a lock that the service user cannot open.
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def is_locked(descriptor: int) -> bool:
    """Lock it, for as long as the descriptor is open; say whether that worked, or somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_house(config: Config | None = None, *, create: bool = False, check_schema: bool = True) -> House:
    """Return the house, its database checked unless told otherwise. *create* makes missing directories first."""
    config = load_config() if config is None else config
    if create:
        make_directories(config)
    require_home(config)
    require_closed_to_others(config)
    make_database_file(config)
    store = open_store(config.database_url, timeout_seconds=config.database.timeout_seconds)
    if check_schema:
        store.database.check()
    log = open_event_log(config.log_dir, kind="master", level=config.log_level)
    return House(config=config, store=store, clock=SystemClock(), log=log)


def prepare(config: Config) -> list[str]:
    """Make the directories, the settings file and the tables; return a sentence for each thing done."""
    done = make_directories(config)
    if not config.file.exists():
        write_settings_file(config.file)
        done.append(f"wrote {config.file}")
    require_closed_to_others(config)
    make_database_file(config)
    not_made: list[str] = []
    done += [f"applied migration {name}" for name in migrate(config, not_made=not_made.append)]
    return [*done, *not_made]


def migrate(
    config: Config,
    adoption: Adoption | None = None,
    *,
    actor: str = BY_INIT,
    not_made: Callable[[str], object] = lambda _: None,
) -> list[str]:
    """Bring the tables up to date, by the account that may; return the names of the migrations applied.

    *adoption* says how the tables of the original PHP system are taken over, where there are any; *not_made*
    hears a sentence for each view, routine or trigger that the account may not make.
    """
    make_database_file(config)
    store = open_owner(config)
    try:
        applied = store.session.migrate(adoption)
        if applied:
            store.audit.note("migrate", actor=actor, entity=("database", 0, "tables"), new={"migrations": applied})
        for sentence in store.public.not_made():
            not_made(sentence)
        store.public.spare(config.retention.spared_days())
        return applied
    finally:
        store.database.close()


def open_owner(config: Config) -> Store:
    """Return the store by the account that may make tables: that of `migrate_url`, where one is set."""
    alias = "migrate" if config.migrate_url != config.database_url else "default"
    return open_store(config.migrate_url, alias=alias, timeout_seconds=config.database.timeout_seconds)


def check_task_script(definition: TaskDefinition, config: Config) -> str | None:
    """Return what is wrong with the script's file as a sentence, or None; the supervisor asks again at the start."""
    from smart_cron.taskrunner.script import check_script

    folders, owner = config.script_directories, service_uid(config)
    return check_script(
        definition.script or "",
        run_as_uid=_uid(definition.run_as, otherwise=owner),
        service_uid=owner,
        directories=None if folders is None else [str(folder) for folder in folders],
    )


def _uid(user: str | None, *, otherwise: int) -> int:
    try:
        return otherwise if user is None else pwd.getpwnam(user).pw_uid
    except KeyError:
        return otherwise  # An unknown user is a problem of its own, told by the definition's check.
