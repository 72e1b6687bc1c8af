"""What `smart-cron doctor` hands to the probes: where to look, each look made only when a probe asks for it."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from smart_cron.config import PREFIX, Config, masked_url
from smart_cron.core.errors import SmartCronError
from smart_cron.faces.cli.doctor_database import read_facts
from smart_cron.home import account_name, exposed_directories, used_directories
from smart_cron.services.diagnosis import DatabaseFacts, Receiver, Surroundings, within
from smart_cron.services.diagnosis.machine import master_holds, running_programs
from smart_cron.services.diagnosis.starters import look_for_starters

FOLDERS = {"runs": "state_dir", "log": "log_dir", "sockets": "run_dir", "backups": "backup_dir"}
# A healthy database answers within milliseconds; whoever asks a doctor wants to hear of a hanging one soon.
PATIENCE_SECONDS = 4
# A task runner answers at once; the client that starts runs is more patient with a busy machine.
RUNNER_SECONDS = 5.0
# Set by us, or read by others than the settings.
OTHER_NAMES = ("HOME", "DEBUG", "TASK", "SCHEDULED_FOR", "ATTEMPT", "RUN_ID")
OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP


def surroundings_of(config: Config, *, silent: Collection[Path] = ()) -> Surroundings:
    """Return what the probes look at. Nothing is looked at yet, but for the modes of our folders.

    Those that are *silent* are left out: their disk or mount hangs.
    """
    owner = owner_of(config)
    folders = config.script_directories
    return Surroundings(
        node=config.node_name,
        folders={name: path for name, path in _folders(config).items() if path not in silent},
        exposed=tuple(exposed_directories(config)),
        owner_uid=owner,
        owner=account_name(owner),
        starts_task_runner=config.start_task_runner,
        runner_pid=lambda: _runner_pid(config),
        database=masked_url(config.database_url),
        read_database=Once(lambda: _facts(config, silent)),
        settings_file=config.file,
        closed_files=tuple(_open_files(config)),
        usage=_usage(config, silent),
        master_works=lambda: master_holds(config.state_dir),
        starters=lambda: look_for_starters(
            owner=account_name(owner), home=None if config.home == Path("/") else config.home
        ),
        programs=running_programs,
        receivers=tuple(_receivers(config)),
        receiver_faults=tuple(_receiver_faults(config)),
        setting_names=setting_names(),
        own_names=own_names(os.environ),
        node_silence=timedelta(seconds=config.node_silence_seconds),
        max_concurrent=config.max_concurrent,
        script_directories=None if folders is None else tuple(map(str, folders)),
        task_path=config.task_path,
    )


class Once:
    """Reads the database for the first probe that asks and tells all others the same, a refusal too."""

    def __init__(self, read: Callable[[], DatabaseFacts]) -> None:
        self._read, self._lock = read, threading.Lock()
        self._facts: DatabaseFacts | None = None
        self._refused: SmartCronError | None = None

    def __call__(self) -> DatabaseFacts:
        with self._lock:
            if self._facts is None and self._refused is None:
                self._ask()
        if self._facts is None:
            assert self._refused is not None
            raise self._refused
        return self._facts

    def _ask(self) -> None:
        try:
            self._facts = self._read()
        except SmartCronError as error:
            self._refused = error


def impatient(config: Config) -> Config:
    """Return the settings with a database that may take a few seconds and no longer."""
    seconds = min(config.database.timeout_seconds, PATIENCE_SECONDS)
    return config.model_copy(update={"database": config.database.model_copy(update={"timeout_seconds": seconds})})


def _facts(config: Config, silent: Collection[Path]) -> DatabaseFacts:
    from smart_cron.wiring import open_house

    require_database(config, silent=silent)
    house = open_house(impatient(config))
    try:
        return read_facts(house)
    finally:
        house.close()


def require_database(config: Config, *, silent: Collection[Path] = ()) -> None:
    """Raise SmartCronError where opening the database would make something, trust what others planted, or hang."""
    if any(path in silent for path in used_directories(config)):
        raise SmartCronError(
            "the database is not opened while one of our folders hangs.", remedy="See to the folder first."
        )
    if any(exposed_directories(config)):
        raise SmartCronError(
            "the database is not opened while others can write in our folders.", remedy="Mend the folders first."
        )
    path = database_file(config)
    if path is not None and not path.exists():
        raise SmartCronError(
            f"the database file {path} is not there.",
            remedy="Restore it from a backup, or 'smart-cron init' for a new one.",
        )


def database_file(config: Config) -> Path | None:
    """Return SQLite's file, or None where a server keeps the tables."""
    parts = urlsplit(config.database_url)
    return Path("/" + unquote(parts.path).lstrip("/")) if parts.scheme == "sqlite" else None


def owner_of(config: Config) -> int:
    """Return whose home it is; where there is none yet, whoever makes it."""
    return config.state_dir.stat().st_uid if config.state_dir.is_dir() else os.geteuid()


def _folders(config: Config) -> dict[str, Path]:
    found = {name: getattr(config, key) for name, key in FOLDERS.items()}
    found["runs"] = config.state_dir / "runs"
    file = database_file(config)
    if file is not None and file.parent != config.state_dir and file.parent.is_dir():
        found["database folder"] = file.parent
    return found


def _usage(config: Config, silent: Collection[Path]) -> Mapping[str, Path]:
    places = {"logs": config.log_dir, "output": config.log_dir / "output", "backups": config.backup_dir}
    file = database_file(config)
    found = places if file is None else {**places, "database": file}
    return {name: path for name, path in found.items() if path not in silent and path.exists()}


def _open_files(config: Config) -> Iterator[Path]:
    for path in (config.file, database_file(config)):
        try:
            if path is not None and path.lstat().st_mode & OPEN_TO_OTHERS and path.is_file():
                yield path
        except OSError:
            continue  # Told where it is needed.


def _receivers(config: Config) -> Iterator[Receiver]:
    from smart_cron.services.notify.tested import last_tests

    tests = last_tests(config.state_dir)
    ways = {"email": config.alert_email} if config.alert_email else {}
    ways |= {name: f"channel '{name}'" for name, channel in config.channels.items() if channel.enabled}
    for name, words in ways.items():
        test = tests.get(name)
        failed = f"its last test failed on {test.tested_at:%Y-%m-%d}: {test.words}" if test and not test.ok else ""
        yield Receiver(channel=name, words=words, failed=failed)


def _receiver_faults(config: Config) -> Iterator[str]:
    from smart_cron.wiring.channels import channel_problems

    yield from channel_problems(config)


def setting_names() -> frozenset[str]:
    """Return the environment's names of all settings; a table's own ends with two underscores."""
    return frozenset(_names()) | {f"{PREFIX}{name}" for name in OTHER_NAMES}


def _names() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        yield f"{PREFIX}{name.upper()}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield f"{PREFIX}{name.upper()}__"
            yield from (f"{PREFIX}{name.upper()}__{inner.upper()}" for inner in kind.model_fields)
        elif str(kind).startswith("dict"):
            yield f"{PREFIX}{name.upper()}__"


def own_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in the environment that begin as ours do, in order."""
    return tuple(sorted(name for name in environ if name.upper().startswith(PREFIX)))


def _runner_pid(config: Config) -> int | None:
    """Return the task runner's pid, None where none runs. Raise OSError where one does not answer soon."""
    # 0 is nobody's pid: here it tells an answer from none.
    answer = within(RUNNER_SECONDS, lambda: _asked_runner(config) or 0)
    if answer is None:
        raise OSError("the task runner takes connections and does not answer")
    return answer or None


def _asked_runner(config: Config) -> int | None:
    from smart_cron.wiring import runner_client

    client = runner_client(config)
    try:
        if client.connect():
            return client.runner_pid
        if client.silent_pid is not None:
            raise OSError(f"the task runner (process {client.silent_pid}) takes connections and does not answer")
    finally:
        client.close()
    return None
