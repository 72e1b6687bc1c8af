"""The folders and files of one node: made, checked against others' hands, written whole or not at all."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from smart_cron.config import Config
from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.core.ports import Clock
from smart_cron.services.patience import remount, silent_paths

# A disk that slept needs some seconds.
ANSWER_SECONDS = 10.0
GLANCE_SECONDS = 1.0


def make_directories(config: Config) -> list[str]:
    """Make what is missing of the home and its directories, mode 750."""
    done = []
    places = (config.state_dir, config.state_dir / "runs", config.log_dir, config.run_dir, config.backup_dir)
    for path in (config.home, *places):
        if path.is_dir():
            continue
        try:
            path.mkdir(mode=0o750, parents=True)
        except OSError as error:
            raise SmartCronError(
                f"the directory {path} cannot be made: {error.strerror}.",
                remedy="Set SMART_CRON_HOME to a folder that this user can write.",
            ) from None
        path.chmod(0o750)
        done.append(f"made {path}")
    return done


def exposed_directories(config: Config) -> Iterator[str]:
    """Yield a sentence for each of our directories in which others than its owner could plant something.

    Those whose mount hangs are passed over: whoever asked would wait for ever.
    """
    places = (*used_directories(config), config.backup_dir)
    silent = silent_paths(places, seconds=GLANCE_SECONDS)
    for path in places:
        if path in silent:
            continue
        try:
            mode = path.stat().st_mode
        except OSError:
            continue  # Missing or closed to us: told where it is needed.
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield f"{path} can be written by others: chmod 750 {path}"


def used_directories(config: Config) -> tuple[Path, ...]:
    """Return the directories without which nothing works here; a mount for backups may hang, and tasks run on."""
    home = () if config.home == Path("/") else (config.home,)
    return (*home, config.state_dir, config.state_dir / "runs", config.log_dir, config.run_dir)


def require_closed_to_others(config: Config) -> None:
    """Raise ConfigError where others could have planted something in one of our directories."""
    problems = list(exposed_directories(config))
    if problems:
        raise ConfigError(problems, remedy="Others could have planted something there: look before you mend it so.")


def sqlite_file(config: Config) -> Path | None:
    """Return the database's file, or None where it is a server's."""
    parts = urlsplit(config.database_url)
    return Path("/" + unquote(parts.path).lstrip("/")) if parts.scheme == "sqlite" else None


def make_database_file(config: Config) -> None:
    """Let a SQLite file be for this user and group alone; SQLite itself would go by the umask (SECURITY 35)."""
    make_file_of(config.database_url)


def make_file_of(url: str) -> None:
    """Make the file of a SQLite URL where it is missing, closed to others; other URLs have none."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme != "sqlite" or path == Path("/") or not path.parent.is_dir():
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    except OSError:
        return  # It is there, or whoever opens the database says why it cannot be.
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    os.close(descriptor)


def service_uid(config: Config) -> int:
    """Return who runs the tasks of this home: its owner, or we ourselves where there is none yet."""
    return config.state_dir.stat().st_uid if config.state_dir.is_dir() else os.geteuid()


def owns(config: Config) -> bool:
    """Whether this user may write in the home as its owner: root in another user's may not."""
    return os.geteuid() != 0 or config.state_dir.stat().st_uid == 0


def require_owner(config: Config) -> None:
    """Refuse to run tasks as root in a home of another user, who could not go on with what root wrote there."""
    if not owns(config):
        name = account_name(config.state_dir.stat().st_uid)
        raise SmartCronError(
            f"{config.state_dir} belongs to {name}, so its tasks are run by {name} and not by root.",
            remedy=f"Call it as: runuser -u {name} -- smart-cron …",
        )


def require_run_dir(config: Config) -> None:
    """Make the folder of the sockets anew: /run is empty after a boot."""
    try:
        config.run_dir.mkdir(mode=0o750, exist_ok=True)
    except OSError as error:
        raise SmartCronError(
            f"the directory {config.run_dir} for sockets is not there and cannot be made: {error.strerror}.",
            remedy="Where root set it up, 'smart-cron init --user NAME' as root makes it anew.",
        ) from None


def account_name(uid: int) -> str:
    """Return the user's name, or the number of one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def booted_at(state_dir: Path, clock: Clock) -> datetime:
    """Return the instant that stands for this boot in the ledger: the same for every master until the next boot.

    What the kernel calls the boot time moves with the wall clock, so the first answer of each boot is kept.
    """
    path = state_dir / "boot.json"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["boot_id"] == boot_id:
            return datetime.fromisoformat(kept["booted_at"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # None kept, or torn by a power cut: this boot's is written below.
    instant = (clock.now() - timedelta(seconds=clock.boottime())).replace(microsecond=0).astimezone(UTC)
    try:
        _replace_file(path, json.dumps({"boot_id": boot_id, "booted_at": instant.isoformat()}))
    except OSError as error:
        # Another answer at the next start would run every @reboot task a second time.
        raise SmartCronError(
            f"{path} cannot be written: {error.strerror}.", remedy="Make room there; running tasks are not touched."
        ) from None
    return instant


def require_home(config: Config) -> None:
    """Raise SmartCronError, saying what to do, where there is no home that this user can write, or where it hangs."""
    silent = silent_paths(used_directories(config), seconds=ANSWER_SECONDS)
    if silent:
        raise SmartCronError(
            f"{silent[0]} does not answer within {ANSWER_SECONDS:g} s: its disk or mount hangs.",
            remedy=remount(silent[0]),
        )
    if not config.state_dir.is_dir():
        raise SmartCronError(
            f"there is no Smart Cron in {config.home}.", remedy="Run 'smart-cron init', or set SMART_CRON_HOME."
        )
    if not os.access(config.state_dir, os.W_OK | os.X_OK):
        raise SmartCronError(
            f"{config.state_dir} cannot be written by this user.",
            remedy="Run as the service user, or set SMART_CRON_HOME.",
        )


def write_settings_file(path: Path) -> None:
    """Write the file with every setting commented out."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    _replace_file(path, SETTINGS_TEMPLATE)


def replace_settings_file(path: Path, text: str) -> None:
    """Write other settings in place of a file's, whole or not at all; who owns and reads it stays."""
    try:
        before = path.stat()
    except FileNotFoundError:
        write_settings_file(path)
        before = path.stat()
    try:
        _replace_file(path, text, before)
    except OSError as error:
        raise SmartCronError(
            f"{path} cannot be written: {error.strerror}.", remedy="Call this as its owner, or edit it by hand."
        ) from None


def _replace_file(path: Path, text: str, like: os.stat_result | None = None) -> None:
    """Write whole or not at all, for this user and group alone."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if like is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode))
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


SETTINGS_TEMPLATE = """\
# Settings of Smart Cron. Every key is optional; what is commented out shows the default.
# 'smart-cron config show' prints what is in force, 'smart-cron config check' finds faults.

# max_concurrent = 10          # runs at the same time on this node
# max_execution_time = 55      # seconds that one 'smart-cron master --once' may take
# deadlock_timeout = 600       # seconds past its timeout after which a run counts as stuck
# misfire_grace_seconds = 60   # a slot older than this was missed
# catch_up_per_minute = 600    # how many slots that were missed may start in a minute
# time_zone = "Europe/Berlin"  # of tasks that name none; default: the machine's
# start_task_runner = true     # false where the task runner is a systemd unit of its own
# script_directories = ["/srv/jobs"]  # default: any that only root or the service user can write
# log_level = "INFO"

# Who is told what goes wrong (docs/delivery.md); try it with 'smart-cron alert test email':
# alert_email = "ops@example.org"
# ping_url = "https://hc.example.org/ping/UUID"  # hears every minute that this scheduler lives
# webhook_allowed_hosts = ["hooks.slack.com"]   # where webhooks and pings may go at all
# webhook_allowed_networks = []                 # private networks that they may go to all the same

# Where several nodes share a database:
# node_name = "web-2"          # default: the host's name
# node_tags = ["gpu"]          # tasks that are bound to one of these run here
# max_concurrent_total = 30    # runs at the same time on all nodes; default: no bound
# heartbeat_seconds = 5        # how often a master says that it lives
# node_silence_seconds = 30    # a node that says nothing for so long is silent

[database]
# url = "mysql://user:password@localhost:3306/smart_cron"  # default: SQLite in the state directory
# migrate_url = "mysql://owner:password@localhost:3306/smart_cron"  # 'db grants' says what each account needs
# timeout_seconds = 30

[smtp]
# host = "mail.example.org"
# port = 587
# security = "starttls"        # or "tls" from the first byte on, or "none"
# user = "cron"
# sender = "cron@example.org"
# timeout_seconds = 20

[alerts]
# reminder_minutes = 240       # an alert that nobody acknowledged is told again after so long, then ever less often
# fold_seconds = 60            # alerts with one cause within so long become one message
# weekly_digest = true         # what the logs warned of goes to alert_email once a week
# dashboard_url = "https://cron.example.org"  # for the links in messages

# [channels.operators]         # a receiver of its own; docs/delivery.md shows the kinds
# kind = "slack"
# url = "https://hooks.slack.com/services/…"
# min_severity = "error"
# quiet_hours = "22:00-06:00"

[health]
# disk_warning_percent = 80
# disk_critical_percent = 90   # docs/health.md lists every threshold

[metrics]
# textfile = "/var/lib/node_exporter/smart-cron.prom"
# task_label_limit = 2000

[retention]                    # days; 0 is for ever; docs/cleanup.md says what each of them is about
# executions_days = 90
# keep_runs = 100              # the newest runs of each task stay, however old
# output_days = 30             # what runs printed, in files
# output_budget = 10000000000  # bytes of all these files; the oldest go first
# skipped_slots_days = 90
# hourly_metrics_days = 90     # older hours become days
# daily_metrics_days = 1830
# health_checks_days = 30
# alerts_days = 180            # after they were resolved
# deliveries_days = 90
# node_samples_days = 30
# rate_limits_days = 1         # after they expired
# compress_logs_days = 7
# logs_days = 90

[web]
# host = "127.0.0.1"
# port = 8765

[group_limits]
# imports = 2                  # at most two tasks of the group 'imports' at once
"""
