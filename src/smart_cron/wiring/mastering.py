"""What only a master needs: its engine, its settings, its membership."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from smart_cron import __version__
from smart_cron.config import Config, load_config
from smart_cron.core.alert_rules import NODE_FORGOTTEN, read_severities
from smart_cron.core.node import NodeIdentity
from smart_cron.core.ports.alerts import Bell
from smart_cron.engine.launcher import RunnerLauncher
from smart_cron.engine.master import Master, Stores
from smart_cron.engine.membership import BeatMemory, Membership, Surroundings, settle_for_another
from smart_cron.engine.orders import OrderBook
from smart_cron.engine.settings import EngineSettings
from smart_cron.home import booted_at, require_owner, require_run_dir
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.succession import retire_other_versions
from smart_cron.wiring import runner_client

if TYPE_CHECKING:
    from smart_cron.wiring import House

# Retries of many tasks that failed together must not come back together.
JITTER = 0.1
# What a run is told of ithouse. A master that was started by a task must not hand that on.
TOLD_TO_TASKS = {f"SMART_CRON_{name}" for name in ("TASK", "ATTEMPT", "RUN_ID", "SCHEDULED_FOR")}


def master_of(house: House, *, bell: Bell | None = None, adopt: Callable[[Config], None] = lambda _: None) -> Master:
    """Return a master of this node; `hold_node` must be held while it works.

    *bell* is rung for alerts, *adopt* is handed settings that were read anew.
    """
    require_owner(house.config)
    require_run_dir(house.config)
    _retire_older_task_runners(house)
    settings = engine_settings(house.config)
    orders = OrderBook(settings)
    launcher = RunnerLauncher(
        client=runner_client(house.config),
        state_dir=house.config.state_dir,
        orders=orders,
        clock=house.clock,
        log=house.log,
    )

    def reread() -> EngineSettings:
        config = load_config()
        fresh = engine_settings(config)
        orders.adopt(fresh)
        adopt(config)
        return fresh

    return Master(
        stores=Stores(
            database=house.store.database,
            plans=house.store.plans,
            claims=house.store.claims,
            records=house.store.records,
            nodes=house.store.nodes,
            incidents=house.store.incidents,
            pasts=house.store.pasts,
            recorded=house.recorded if house.config.metrics.otlp_endpoint else None,
        ),
        launcher=launcher,
        clock=house.clock,
        log=house.log,
        settings=settings,
        membership=_membership(house, settings),
        booted_at=booted_at(house.config.state_dir, house.clock),
        jitter=_jitter,
        reread=reread,
        bell=bell,
    )


def _retire_older_task_runners(house: House) -> None:
    config = house.config
    for pid in retire_other_versions(state_dir=config.state_dir, run_dir=config.run_dir, version=__version__):
        house.log.info("Task runner of another version takes no more runs", pid=pid)


def forget_node(house: House, name: str, *, actor: str) -> int:
    """Settle what a node holds as lost and strike it out; return how many runs were lost. It must not be alive."""
    now = house.store.database.now()
    held = house.store.records.held(node=name)
    reason = f"its node '{name}' was struck out"
    around = _surroundings(house)
    lost = settle_for_another(around, held, reason=reason, by=house.config.node_name, now=now) if held else []
    house.store.nodes.forget(name, actor=actor)
    of_it = [alert.cause for alert in house.store.alerts.open_causes() if alert.cause.node == name]
    house.store.alerts.resolve_causes(of_it, by=NODE_FORGOTTEN, by_person=True)
    return len(lost)


def _membership(house: House, settings: EngineSettings) -> Membership:
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
        memory=BeatMemory(house.config.state_dir / "heartbeats"),
        surroundings=_surroundings(house),
        clock=house.clock,
        settings=settings,
    )


def _surroundings(house: House) -> Surroundings:
    store = house.store
    return Surroundings(
        database=store.database,
        nodes=store.nodes,
        holds=store.holds,
        records=store.records,
        log=house.log,
        jitter=_jitter,
        severities=read_severities(house.config.alerts.severities),
    )


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


def _jitter() -> float:
    return random.uniform(-JITTER, JITTER)
