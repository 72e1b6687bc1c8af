"""How firmly this machine holds a run: what ends all of it, which limits can be kept, and as whom it may run."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from smart_cron.services.diagnosis.finding import Finding, Surroundings, note, ok
from smart_cron.taskrunner import delegation
from smart_cron.taskrunner.plan import StartFailedError
from smart_cron.taskrunner.sandbox import sandboxed

CONTAINMENT, LIMITS, SANDBOX, RUN_AS = "containment", "limits", "sandbox", "run_as"
DELEGATE = "Let systemd (254 or newer) run the task runner: smart-cron service install"
ALWAYS_KEPT = "CPU seconds, open files, output and nice"
SANDBOX_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Containment:
    """What holds the runs of a task runner. *why_not* is a part of a sentence, for one without a cgroup to divide."""

    has_runner: bool
    has_cgroups: bool = False
    controllers: frozenset[str] = frozenset()
    why_not: str | None = None


def probe_containment(surroundings: Surroundings) -> list[Finding]:
    """Tell what ends all of a run, and which limits are kept."""
    facts = look_at_runner(_pid_of_runner(surroundings))
    return [judge_ending(facts), judge_limits(facts)]


def look_at_runner(pid: int | None) -> Containment:
    """Look at a task runner's cgroup from outside."""
    if pid is None:
        return Containment(has_runner=False)
    own = delegation.cgroup_of(pid)
    if own is None:
        return Containment(has_runner=True, why_not="this machine shows none of version 2")
    home = delegation.home_around(own)
    if home is None:
        return Containment(has_runner=True, why_not=delegation.why_not_ours(own, pid=pid) or "it was not taken")
    return Containment(has_runner=True, has_cgroups=True, controllers=home.controllers)


def judge_ending(facts: Containment) -> Finding:
    """Return what is to be said of how a run is ended."""
    if facts.has_cgroups:
        return ok(CONTAINMENT, "each run is in a cgroup of its own and is ended as a whole, whatever its processes do.")
    if not facts.has_runner:
        return note(CONTAINMENT, "whether runs get cgroups of their own shows once a task runner is running.")
    return note(
        CONTAINMENT,
        "a run is ended by walking its process tree, since the task runner has no cgroup to divide "
        f"({facts.why_not}): were its supervisor and the task runner both killed, a process of it that changed session "
        "and environment could live on.",
        DELEGATE,
    )


def judge_limits(facts: Containment) -> Finding:
    """Return which limits the machine keeps."""
    if {"memory", "pids"} <= facts.controllers:
        return ok(LIMITS, f"the kernel keeps limits of memory, processes, {ALWAYS_KEPT}.")
    if "memory" in facts.controllers:
        return note(
            LIMITS, f"the kernel keeps limits of memory, {ALWAYS_KEPT}; one of processes is not kept.", DELEGATE
        )
    processes = "one of processes is kept too" if "pids" in facts.controllers else "one of processes is not kept"
    return note(
        LIMITS,
        f"the kernel keeps limits of {ALWAYS_KEPT}; memory is sampled ten times a second; {processes}.",
        DELEGATE,
    )


def probe_sandbox(surroundings: Surroundings) -> list[Finding]:
    """Tell whether `sandbox: strict` is to be had, by running nothing in it."""
    del surroundings
    try:
        command = sandboxed(["/bin/true"], directory="/", network=False)
    except StartFailedError:
        return [
            note(
                SANDBOX,
                "tasks with the sandbox 'strict' do not start here: bubblewrap is not installed.",
                "Install it, on Debian with: apt install bubblewrap",
            )
        ]
    return [judge_sandbox(_complaint_of(command))]


def judge_sandbox(complaint: str | None) -> Finding:
    """Return what is to be said of a bubblewrap that said *complaint*, or nothing."""
    if complaint is None:
        return ok(SANDBOX, "tasks with the sandbox 'strict' run in bubblewrap.")
    return note(
        SANDBOX,
        f"tasks with the sandbox 'strict' fail here: {complaint.rstrip('.')}.",
        "In a container it has to be allowed to make namespaces; elsewhere see kernel.unprivileged_userns_clone.",
    )


def probe_run_as(surroundings: Surroundings) -> list[Finding]:
    """Tell as whom tasks may run."""
    if surroundings.owner_uid == 0:
        return [ok(RUN_AS, "tasks may run as any user of this machine.")]
    return [note(RUN_AS, f"tasks run as {surroundings.owner} only: for other users Smart Cron has to be root's.")]


def _pid_of_runner(surroundings: Surroundings) -> int | None:
    try:
        return surroundings.runner_pid()
    except OSError:
        return None  # Told by the probe that asks for it.


def _complaint_of(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SANDBOX_SECONDS,
            check=False,
            env=dict(os.environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"bwrap ends with {done.returncode}"
