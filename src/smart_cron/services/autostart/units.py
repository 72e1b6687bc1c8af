"""The two systemd units as text: systemd.service(5), systemd.exec(5), systemd.kill(5). Pure.

The task runner is a unit of its own, so that a restart or an upgrade of the master touches no running task; a stop of
the task runner's unit ends nothing but its listening (DESIGN §2).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from smart_cron.services.autostart.startup import Startup

MASTER_UNIT: Final = "smart-cron.service"
TASK_RUNNER_UNIT: Final = "smart-cron-taskrunner.service"
# In the order in which they are started.
UNITS: Final = (TASK_RUNNER_UNIT, MASTER_UNIT)
MARK: Final = "# Written by 'smart-cron service install', removed by 'smart-cron service uninstall'."
HINT: Final = "# Do not change it here: 'systemctl edit {unit}' keeps changes of yours in a file of their own."
RUN_FOLDERS: Final = (Path("/run"), Path("/var/run"))
# What ProtectSystem=full and ProtectHome=read-only close.
CLOSED_FOLDERS: Final = tuple(map(Path, ("/usr", "/etc", "/boot", "/efi", "/home", "/root", "/run/user")))

TASK_RUNNER: Final = """\
[Unit]
Description=Task runner of Smart Cron
After=local-fs.target remote-fs.target nss-user-lookup.target time-sync.target
# It is tried again however often it failed: without it no task starts on this node.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={task_runner}
User={user}
{environment}UMask=0027
{runtime_directory}Restart=always
RestartSec=1
# SIGTERM ends the listening alone: running tasks go on under their supervisors, and a restart does not wait for them.
KillMode=process
SendSIGKILL=no
TimeoutStopSec=5
# Its runs are in its cgroup: their limits are its business, and one that ran out of memory must not end the others.
Delegate=yes
OOMPolicy=continue
TasksMax=infinity
# No sandboxing here, on purpose: tasks would inherit it.

[Install]
WantedBy=multi-user.target
"""

MASTER: Final = """\
[Unit]
Description=Master of Smart Cron
Wants={task_runner_unit}
After={task_runner_unit} network.target nss-user-lookup.target time-sync.target
After=mariadb.service mysql.service postgresql.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={master}
ExecReload=/bin/kill -HUP $MAINPID
User={user}
{environment}Environment=SMART_CRON_START_TASK_RUNNER=0
UMask=0027
Restart=always
RestartSec=2
TimeoutStopSec=30
# The master runs no task, so what is closed to it is closed to none of them.
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=read-only
{read_write_paths}PrivateDevices=yes
ProtectClock=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def unit_texts(startup: Startup) -> dict[str, str]:
    """Return each unit's text by its file name, in the order in which they are started."""
    shared = {"user": startup.user, "environment": _environment(startup)}
    runner = TASK_RUNNER.format(
        task_runner=_command(*startup.program, "service", "task-runner"),
        runtime_directory=_runtime_directory(startup.run_dir),
        **shared,
    )
    master = MASTER.format(
        task_runner_unit=TASK_RUNNER_UNIT,
        master=_command(*startup.program, "master"),
        read_write_paths=_read_write_paths(startup.written),
        **shared,
    )
    return {name: _marked(name, text) for name, text in zip(UNITS, (runner, master), strict=True)}


def is_ours(text: str) -> bool:
    """Whether a unit file was written by `unit_texts`, this version's or another's."""
    return text.partition("\n")[0] == MARK


def _marked(name: str, text: str) -> str:
    return f"{MARK}\n{HINT.format(unit=name.removesuffix('.service'))}\n{text}"


def _environment(startup: Startup) -> str:
    return "" if startup.home is None else f"Environment={_quoted(f'SMART_CRON_HOME={startup.home}')}\n"


def _runtime_directory(run_dir: Path) -> str:
    """Let systemd make a folder below /run at each start: it is empty after a boot, and only root can write there."""
    for folder in RUN_FOLDERS:
        if run_dir.is_relative_to(folder) and run_dir != folder:
            name = _quoted(str(run_dir.relative_to(folder)))
            return f"RuntimeDirectory={name}\nRuntimeDirectoryMode=0750\nRuntimeDirectoryPreserve=yes\n"
    return ""


def _read_write_paths(written: tuple[Path, ...]) -> str:
    """Open what is closed otherwise, and no more: a mounted folder that is deleted and made anew stays the old one."""
    closed = [path for path in written if any(path.is_relative_to(folder) for folder in CLOSED_FOLDERS)]
    return "".join(f"ReadWritePaths={_quoted(f'-{path}')}\n" for path in dict.fromkeys(closed))


def _command(program: str, *words: str) -> str:
    # Variables are replaced in arguments, not in the path of the program.
    return " ".join([_quoted(program), *(_quoted(word).replace("$", "$$") for word in words)])


def _quoted(text: str) -> str:
    """Return one word of a unit file: `%` starts a specifier, a backslash an escape, blanks end a word."""
    literal = text.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./$-]+", literal, re.ASCII):
        return literal
    escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
