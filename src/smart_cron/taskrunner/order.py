"""From an order to what is started: everything that can be wrong with it comes out here, in words."""

from __future__ import annotations

import os

from smart_cron.taskrunner.limits import kernel_limits
from smart_cron.taskrunner.plan import Account, SpawnPlan, StartFailedError
from smart_cron.taskrunner.sandbox import sandboxed
from smart_cron.taskrunner.script import ScriptFaultError, command_line, examine_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from smart_cron.taskrunner.protocol import Message, Order

DEFAULT_UMASK = 0o022
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
STARTED_KEYS = (
    "run_id",
    "execution_id",
    "task_id",
    "task",
    "attempt",
    "triggered_by",
    "scheduled_for",
    "launch_deadline",
    "timeout_seconds",
    "kill_grace_seconds",
    "output_path",
)


def spawn_plan(order: Order) -> SpawnPlan:
    """Return how the order is started; raise StartFailedError where it cannot be, KeyError for a missing key."""
    account = _account(order["run_as"])
    directory = order["working_directory"] or _home(order["environment"])
    try:
        argv = _argv(order, os.geteuid() if account is None else account.uid)
    except ScriptFaultError as fault:
        raise StartFailedError(str(fault)) from None
    umask = order["umask"]
    strict = order["sandbox"] == "strict"
    if strict:
        argv = sandboxed(
            argv, directory=directory, network=bool(order.get("sandbox_network", True)), script=order["script"]
        )
    plan = SpawnPlan(
        argv,
        order["environment"],
        directory=directory,
        umask=DEFAULT_UMASK if umask is None else umask,
        account=account,
        limits=kernel_limits(order),
        nice=order["nice"],
    )
    plan.wrapped = strict
    return plan


def _home(environment: dict[str, str]) -> str:
    """Where cron(8) starts a job: in HOME, and in / where that is no directory, as it is for many a system user."""
    home = environment.get("HOME", "")
    return home if os.path.isabs(home) and os.path.isdir(home) else "/"


def _account(name: str | None) -> Account | None:
    if name is None:
        return None
    account = Account(name)
    if os.geteuid() == 0:
        return account if account.uid != 0 else None
    if account.uid == os.geteuid():
        return None
    raise StartFailedError(f"only root may run a task as another user, and it asks for '{name}'")


def _argv(order: Order, run_as_uid: int) -> list[str]:
    search_path = order["environment"].get("PATH", DEFAULT_PATH)
    if order["script"] is not None:
        runs_itself = examine_script(
            order["script"],
            run_as_uid=run_as_uid,
            service_uid=os.geteuid(),
            directories=order["script_directories"],
        )
        return command_line(order["script"], order["arguments"], runs_itself=runs_itself, search_path=search_path)
    return ["/bin/sh", "-c", order["shell_command"]]


def started_record(order: Order, *, started_at: int, supervisor: Message, unkept: list[str]) -> Message:
    """Return the record that says that the run begins now, under this supervisor."""
    record: Message = {"event": "started"}
    for key in STARTED_KEYS:
        record[key] = order[key]
    record["started_at"] = started_at
    record.update(supervisor)
    if unkept:
        record["unkept_limits"] = unkept
    return record
