"""Builds the object graph: the one place that knows every room by name."""

from __future__ import annotations

import fcntl
import math
import os
import pwd
import random
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from smart_cron import __version__
from smart_cron.config import Config, load_config
from smart_cron.core.adoption import Adoption
from smart_cron.core.alert_rules import NODE_FORGOTTEN, read_severities
from smart_cron.core.audit import Actor, Source
from smart_cron.core.errors import SmartCronError
from smart_cron.core.node import NodeIdentity
from smart_cron.core.ports import Clock, Log
from smart_cron.core.ports.alerts import Bell
from smart_cron.core.task import TaskDefinition
from smart_cron.core.traced import RecordedRuns
from smart_cron.engine.clock import SystemClock
from smart_cron.engine.launcher import RunnerLauncher
from smart_cron.engine.master import Master, Stores
from smart_cron.engine.membership import BeatMemory, Membership, Surroundings, settle_for_another
from smart_cron.engine.orders import OrderBook
from smart_cron.engine.settings import EngineSettings
from smart_cron.home import (
    booted_at,
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
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.client import RunnerClient, runner_command
from smart_cron.taskrunner.script import check_script
from smart_cron.taskrunner.succession import retire_other_versions

# Whoever prepares a home; the login is not known that deep.
BY_INIT = Actor("init", source=Source.CLI)
# Retries of many tasks that failed together must not come back together.
JITTER = 0.1
# What a run is told of itself. A master that was started by a task must not hand that on.
TOLD_TO_TASKS = {f"SMART_CRON_{name}" for name in ("TASK", "ATTEMPT", "RUN_ID", "SCHEDULED_FOR")}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything that a face needs, built from one Config."""

    config: Config
    store: Store
    clock: Clock
    log: Log
    recorded: RecordedRuns = field(default_factory=RecordedRuns)

    def master(self, *, bell: Bell | None = None, adopt: Callable[[Config], None] = lambda _: None) -> Master:
        """Return a master of this node; `hold_node` must be held while it works.

        *bell* is rung for alerts, *adopt* is handed settings that were read anew.
        """
        require_owner(self.config)
        require_run_dir(self.config)
        self._retire_older_task_runners()
        settings = engine_settings(self.config)
        orders = OrderBook(settings)
        launcher = RunnerLauncher(
            client=runner_client(self.config),
            state_dir=self.config.state_dir,
            orders=orders,
            clock=self.clock,
            log=self.log,
        )

        def reread() -> EngineSettings:
            config = load_config()
            fresh = engine_settings(config)
            orders.adopt(fresh)
            adopt(config)
            return fresh

        return Master(
            stores=Stores(
                database=self.store.database,
                plans=self.store.plans,
                claims=self.store.claims,
                records=self.store.records,
                nodes=self.store.nodes,
                incidents=self.store.incidents,
                pasts=self.store.pasts,
                recorded=self.recorded if self.config.metrics.otlp_endpoint else None,
            ),
            launcher=launcher,
            clock=self.clock,
            log=self.log,
            settings=settings,
            membership=self._membership(settings),
            booted_at=booted_at(self.config.state_dir, self.clock),
            jitter=_jitter,
            reread=reread,
            bell=bell,
        )

    def _retire_older_task_runners(self) -> None:
        config = self.config
        for pid in retire_other_versions(state_dir=config.state_dir, run_dir=config.run_dir, version=__version__):
            self.log.info("Task runner of another version takes no more runs", pid=pid)

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

    def forget_node(self, name: str, *, actor: str) -> int:
        """Settle what a node holds as lost and strike it out; return how many runs were lost. It must not be alive."""
        now = self.store.database.now()
        held = self.store.records.held(node=name)
        reason = f"its node '{name}' was struck out"
        around = self._surroundings()
        lost = settle_for_another(around, held, reason=reason, by=self.config.node_name, now=now) if held else []
        self.store.nodes.forget(name, actor=actor)
        of_it = [alert.cause for alert in self.store.alerts.open_causes() if alert.cause.node == name]
        self.store.alerts.resolve_causes(of_it, by=NODE_FORGOTTEN, by_person=True)
        return len(lost)

    def _membership(self, settings: EngineSettings) -> Membership:
        boot_id, _, identity = settings.incarnation.partition(":")
        node = NodeIdentity(
            name=settings.node,
            identity=identity,
            boot_id=boot_id,
            host=socket.gethostname(),
            version=__version__,
            master_pid=os.getpid(),
            max_concurrent=settings.max_concurrent,
            tags=settings.node_tags,
        )
        return Membership(
            node=node,
            memory=BeatMemory(self.config.state_dir / "heartbeats"),
            surroundings=self._surroundings(),
            clock=self.clock,
            settings=settings,
        )

    def _surroundings(self) -> Surroundings:
        store = self.store
        return Surroundings(
            database=store.database,
            nodes=store.nodes,
            holds=store.holds,
            records=store.records,
            log=self.log,
            jitter=_jitter,
            severities=read_severities(self.config.alerts.severities),
        )

    def check_script(self, definition: TaskDefinition) -> str | None:
        """Return what is wrong with the task's script as a sentence, or None."""
        if definition.script is None:
            return None
        return check_task_script(definition, self.config)

    def close(self) -> None:
        """Write what is buffered and hang up."""
        self.log.flush()
        self.store.database.close()


def runner_client(config: Config) -> RunnerClient:
    """Return a client of this node's task runner; it starts one where the settings do not leave that to a unit."""
    return RunnerClient(
        state_dir=config.state_dir, run_dir=config.run_dir, version=__version__, start=config.start_task_runner
    )


def task_runner_command(config: Config) -> list[str]:
    """Return the command that is this node's task runner: in the foreground, for a unit, and never idle.

    Raises SmartCronError where there is no home, or where it is another user's.
    """
    require_home(config)
    require_owner(config)
    require_run_dir(config)
    command = runner_command(
        state_dir=config.state_dir, run_dir=config.run_dir, version=__version__, idle_seconds=math.inf
    )
    return [*command, "--foreground", "yes"]


def _jitter() -> float:
    return random.uniform(-JITTER, JITTER)


def open_lock(path: Path) -> int:
    """Open the file of a lock in the state directory. Raise SmartCronError where something else stands there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise SmartCronError(
            f"the lock {path} cannot be opened: {error.strerror}.", remedy="Delete what stands there; nothing is lost."
        ) from None
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
    alias = "migrate" if config.migrate_url != config.database_url else "default"
    store = open_store(config.migrate_url, alias=alias, timeout_seconds=config.database.timeout_seconds)
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


def engine_settings(config: Config) -> EngineSettings:
    """Return what the engine needs of the settings."""
    folders = config.script_directories
    return EngineSettings(
        node=config.node_name,
        incarnation=runfile.incarnation(config.state_dir),
        default_zone=config.time_zone,
        output_root=config.log_dir / "output",
        max_concurrent=config.max_concurrent,
        max_execution_time=timedelta(seconds=config.max_execution_time),
        misfire_grace=timedelta(seconds=config.misfire_grace_seconds),
        group_limits=dict(config.group_limits),
        script_directories=None if folders is None else tuple(map(str, folders)),
        task_path=config.task_path,
        task_lang=config.task_lang,
        node_tags=config.node_tags,
        heartbeat=timedelta(seconds=config.heartbeat_seconds),
        node_silence=timedelta(seconds=config.node_silence_seconds),
        max_concurrent_total=config.max_concurrent_total,
        catch_up_per_minute=config.catch_up_per_minute,
        deadlock_timeout=timedelta(seconds=config.deadlock_timeout),
        program=(sys.executable, "-P", "-m", "smart_cron"),
        program_environment=_program_environment(config),
        severities=read_severities(config.alerts.severities),
    )


def _program_environment(config: Config) -> Mapping[str, str]:
    """Return what lets a command of ours find this home and these settings, from an environment that is empty."""
    ours = {name: text for name, text in os.environ.items() if name.startswith("SMART_CRON_")}
    told = {name: text for name, text in ours.items() if name not in TOLD_TO_TASKS}
    home = {} if config.home == Path("/") else {"SMART_CRON_HOME": str(config.home)}
    return {**told, **home, "PYTHONPATH": str(Path(__file__).parents[2])}


def check_task_script(definition: TaskDefinition, config: Config) -> str | None:
    """Return what is wrong with the script's file as a sentence, or None; the supervisor asks again at the start."""
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
