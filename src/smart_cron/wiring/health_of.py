"""The health checks of one node, built from its settings, so that looking ends in time whatever hangs.

Nothing here touches a disk or a server before a check does, in its own thread: opening a house would ask both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import psutil

from smart_cron.config import Config
from smart_cron.core.health import Finding, Threshold
from smart_cron.core.ports import Clock
from smart_cron.engine.clock import SystemClock
from smart_cron.engine.launcher import instant
from smart_cron.home import exposed_directories, sqlite_file
from smart_cron.services.health import Examination, Probe, examine
from smart_cron.services.health.checks import (
    backup_age,
    certificate,
    clock,
    critical_failures,
    database,
    disk_space,
    filesystem,
    holds,
    invalid_tasks,
    memory,
    nodes,
    schema_version,
    start_lateness,
    stuck_tasks,
    task_runner,
    undelivered_alerts,
    unrecorded_results,
)
from smart_cron.store.gateway import Store, open_store
from smart_cron.taskrunner import runfile
from smart_cron.taskrunner.kernel import boot_id
from smart_cron.wiring import runner_client

Look = Callable[[], Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """What the checks look at. *slot* is that of this very process, where it is a scheduled run."""

    config: Config
    store: Store
    clock: Clock
    slot: datetime | None = None
    started_at: datetime


def ward_of(config: Config, environ: Mapping[str, str] = os.environ, store: Store | None = None) -> Ward:
    """Return what is to be looked at; nothing is opened or connected to yet."""
    if store is None:
        store = open_store(config.database_url, timeout_seconds=config.database.timeout_seconds)
    return Ward(
        config=config,
        store=store,
        clock=SystemClock(),
        slot=_slot(environ.get("SMART_CRON_SCHEDULED_FOR")),
        started_at=datetime.fromtimestamp(psutil.Process().create_time(), UTC),
    )


def look_after(ward: Ward) -> Examination:
    """Look at everything, once."""
    return examine(probes(ward), seconds=ward.config.health.probe_seconds)


def look_after_node(ward: Ward) -> Examination:
    """Look at what is true of this node only, once; at the tables, too, since others ask them."""
    own = [probe for probe in probes(ward) if probe.node is not None or probe.name == schema_version.NAME]
    return examine(own, seconds=ward.config.health.probe_seconds)


def probes(ward: Ward) -> Sequence[Probe]:
    """Return the checks, in the order in which they are told."""
    return [*_of_machine(ward), *_of_system(ward)]


def _of_machine(ward: Ward) -> Iterator[Probe]:
    """The checks of this node, which do without the database or ask whether it is there."""
    config, health, store = ward.config, ward.config.health, ward.store
    node, folders = config.node_name, folders_of(config)
    yield _asking(
        ward,
        database.NAME,
        partial(
            database.look,
            store.database,
            Threshold(warning=health.database_warning_ms, critical=health.database_critical_ms, unit="ms"),
            file=sqlite_file(config),
        ),
        node=node,
    )
    yield _asking(ward, schema_version.NAME, partial(_schema, ward))
    exposed, patience = partial(_exposed, config), health.probe_seconds / 2
    yield Probe(name=filesystem.NAME, look=partial(filesystem.look, folders, exposed, seconds=patience), node=node)
    disk = Threshold(warning=health.disk_warning_percent, critical=health.disk_critical_percent, unit="%")
    yield Probe(name=disk_space.NAME, look=partial(disk_space.look, folders, disk, seconds=patience), node=node)
    taken = Threshold(warning=health.memory_warning_percent, critical=health.memory_critical_percent, unit="%")
    yield Probe(name=memory.NAME, look=partial(memory.look, taken), node=node)
    runner = partial(task_runner.look, partial(runner_pid, config), is_unit=not config.start_task_runner)
    yield Probe(name=task_runner.NAME, look=runner, node=node)
    days = Threshold(
        warning=health.certificate_warning_days, critical=health.certificate_critical_days, unit="days", falling=True
    )
    watched = certificates_of(config)
    yield Probe(name=certificate.NAME, look=partial(certificate.look, watched, days, now=ward.clock.now()), node=node)


def _of_system(ward: Ward) -> Iterator[Probe]:
    """The checks that the database answers."""
    config, health, store, facts = ward.config, ward.config.health, ward.store, ward.store.health_facts
    node, now = config.node_name, ward.clock.now()
    late = Threshold(warning=health.lateness_warning_seconds, critical=health.lateness_critical_seconds, unit="s")
    canary = partial(
        start_lateness.look,
        facts,
        store.nodes,
        late,
        node=node,
        now=now,
        slot=ward.slot,
        started_at=ward.started_at,
    )
    yield _asking_later(ward, start_lateness.NAME, canary, node=node)
    patience = timedelta(seconds=config.deadlock_timeout)
    yield _asking_later(ward, stuck_tasks.NAME, partial(stuck_tasks.look, facts, deadlock_timeout=patience))
    yield _asking_later(ward, critical_failures.NAME, partial(critical_failures.look, facts))
    yield _asking_later(ward, invalid_tasks.NAME, partial(invalid_tasks.look, facts))
    yield _asking_later(ward, holds.NAME, partial(holds.look, store.holds))
    waiting = Threshold(
        warning=health.unrecorded_warning_seconds, critical=health.unrecorded_critical_seconds, unit="s"
    )
    backlog = partial(unrecorded_results.look, _results(config), store.records, waiting, now=now)
    yield _asking_later(ward, unrecorded_results.NAME, backlog, node=node)
    silence = timedelta(seconds=config.node_silence_seconds)
    yield _asking_later(ward, nodes.NAME, partial(nodes.look, store.nodes, facts, store.database, silence=silence))
    offset = Threshold(warning=health.clock_warning_seconds, critical=health.clock_critical_seconds, unit="s")
    compared = partial(clock.look, store.database, store.health, ward.clock, offset, node=node, boot_id=boot_id())
    yield _asking_later(ward, clock.NAME, compared, node=node)
    unsent = timedelta(minutes=health.undelivered_minutes)
    yield _asking_later(ward, undelivered_alerts.NAME, partial(undelivered_alerts.look, facts, patience=unsent))
    hours = Threshold(warning=config.backup.warning_hours, critical=config.backup.critical_hours, unit="hours")
    yield _asking_later(ward, backup_age.NAME, partial(backup_age.look, store.backups, hours, now=now))


def _asking(ward: Ward, name: str, look: Look, *, node: str | None = None) -> Probe:
    return Probe(name=name, look=hanging_up(ward.store, look), node=node)


def _asking_later(ward: Ward, name: str, look: Look, *, node: str | None = None) -> Probe:
    return Probe(name=name, look=hanging_up(ward.store, look), node=node, needs_database=True)


def hanging_up(store: Store, work: Callable[[], Finding]) -> Look:
    """Return the work with the connection of its thread closed behind it."""

    def look() -> Finding:
        try:
            return work()
        finally:
            store.database.close()

    return look


def _schema(ward: Ward) -> Finding:
    file = sqlite_file(ward.config)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"{file} is not there")
    return schema_version.look(ward.store.database)


def _exposed(config: Config) -> list[str]:
    return list(exposed_directories(config))


def folders_of(config: Config) -> dict[str, Path]:
    """Return our directories by what is in them, the database's own where it is a file."""
    folders = {
        "runs": config.state_dir / "runs",
        "log": config.log_dir,
        "sockets": config.run_dir,
        "backups": config.backup_dir,
    }
    file = sqlite_file(config)
    return folders if file is None else {**folders, "database": file.parent}


def certificates_of(config: Config) -> list[certificate.Watched]:
    """Return the PEM files whose end is watched: those named for it, and the authorities that the settings use."""
    asked = dict(parse_qsl(urlsplit(config.database_url).query))
    used = (config.smtp.ca_file, asked.get("ssl_ca"), asked.get("sslrootcert"))
    return [
        *(certificate.Watched(file=file) for file in config.health.certificates),
        *(certificate.Watched(file=Path(name), authorities=True) for name in used if name and name != "system"),
    ]


def runner_pid(config: Config) -> int | None:
    """Return the task runner's pid, or None where none runs. Raise OSError for one that does not answer."""
    client = runner_client(config)
    try:
        if client.connect():
            return client.runner_pid
        if client.silent_pid is not None:
            raise OSError(f"the task runner (process {client.silent_pid}) takes connections and does not answer")
    finally:
        client.close()
    return None


def _results(config: Config) -> Iterator[unrecorded_results.Result]:
    """Yield what ended, as it stands on disk."""
    folder = str(config.state_dir / "runs")
    for run_id in runfile.list_runs(folder):
        file = runfile.read(folder, run_id)
        if file is not None and file.finished is not None:
            yield unrecorded_results.Result(
                execution_id=file.finished["execution_id"],
                run_id=run_id,
                completed_at=instant(file.finished["completed_at"]),
            )


def _slot(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
