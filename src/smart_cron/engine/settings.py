"""What the engine needs to know of the settings, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from smart_cron.core.alert_rules import USUAL_SEVERITIES, Severities
from smart_cron.core.node import LAUNCH_WINDOW

__all__ = ["LAUNCH_WINDOW", "EngineSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """`output_root` is the folder of output files; `script_directories` None means any safe one.

    `program` is the command of this installation, which our own tasks run with `program_environment` on top.
    """

    node: str
    incarnation: str
    default_zone: str
    output_root: Path
    max_concurrent: int = 10
    max_execution_time: timedelta = timedelta(seconds=55)
    misfire_grace: timedelta = timedelta(seconds=60)
    group_limits: Mapping[str, int] = field(default_factory=dict)
    script_directories: tuple[str, ...] | None = None
    task_path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    task_lang: str = "C.UTF-8"
    node_tags: tuple[str, ...] = ()
    heartbeat: timedelta = timedelta(seconds=5)
    node_silence: timedelta = timedelta(seconds=30)
    max_concurrent_total: int | None = None
    catch_up_per_minute: int = 600
    deadlock_timeout: timedelta = timedelta(seconds=600)
    program: tuple[str, ...] = ()
    program_environment: Mapping[str, str] = field(default_factory=dict)
    severities: Severities = USUAL_SEVERITIES
