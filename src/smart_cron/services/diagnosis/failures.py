"""Repeated failures: which tasks fail, with what words, and whether their scripts can be started at all."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from smart_cron.core.task import Task, TaskDefinition
from smart_cron.core.validation import MAX_SECONDS
from smart_cron.services.diagnosis.facts import DatabaseFacts, LastFailure
from smart_cron.services.diagnosis.finding import Case, Finding, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.starting import facts_or_none
from smart_cron.services.diagnosis.waiting import NAMED, at, name
from smart_cron.taskrunner.script import ANY_EXECUTE, INTERPRETERS, check_script, find_program

# A script is a few calls of the kernel; beyond so many tasks the rest is left to the failures that they make.
MOST_SCRIPTS = 2000
HEAD_BYTES = 256


def probe_failures(surroundings: Surroundings) -> list[Finding]:
    """Tell of tasks that fail again and again, and of scripts that cannot start, failed yet or not."""
    facts = facts_or_none(surroundings)
    if facts is None:
        return []
    failing = sorted((task for task in facts.enabled if task.consecutive_failures > 0), key=_gravity)
    found = [_judge(task, facts.failures.get(task.id), surroundings) for task in failing[: 2 * NAMED]]
    if len(failing) > 2 * NAMED:
        rest = f"{len(failing) - 2 * NAMED} more tasks fail."
        found.append(wrong("task", rest, "See them: smart-cron run list --status failed", case=Case.FAILURES))
    seen = {task.id for task in failing}
    found += _unable(facts, surroundings, seen)
    return found or [ok("failures", "no enabled task failed the last time.")]


def _gravity(task: Task) -> tuple[int, str]:
    return -task.consecutive_failures, task.name


def _judge(task: Task, last: LastFailure | None, surroundings: Surroundings) -> Finding:
    times = "once" if task.consecutive_failures == 1 else f"{task.consecutive_failures} times in a row"
    sentence = f"'{task.name}' failed {times}{_last_words(last)}."
    fault = script_fault(task.definition, surroundings)
    if fault is not None:
        return wrong("task", f"{sentence[:-1]}; {fault}.", _cure(task, fault), case=Case.FAILURES)
    remedy = _next_step(task, last)
    grave = task.consecutive_failures >= task.definition.failure_threshold
    return (wrong if grave else note)("task", sentence, remedy, case=Case.FAILURES)


def _last_words(last: LastFailure | None) -> str:
    if last is None:
        return ""
    is_news = last.last_line and last.last_line not in last.message
    said = f", its last error line: {last.last_line}" if is_news else ""
    return f", the last time at {at(last.at)} ({last.message.rstrip('.') or last.status}{said})"


def _next_step(task: Task, last: LastFailure | None) -> str:
    if last is None:
        return f"Read what it says: smart-cron run list {name(task)}"
    if last.status == "timeout":
        longer = min(2 * round(task.definition.timeout.total_seconds()), MAX_SECONDS)
        return f"Give it longer, or find what it waits for: smart-cron task edit {name(task)} --timeout {longer}s"
    if last.status == "oom":
        return f"Give it more memory: smart-cron task edit {name(task)} --memory-mb 1024"
    # The number of a run says nothing to a person: which task it is of does.
    return f"{task.name}: read what it printed: smart-cron run logs {last.run_id}"


def _unable(facts: DatabaseFacts, surroundings: Surroundings, seen: set[int]) -> Iterator[Finding]:
    scripts = [
        task
        for task in facts.enabled
        if task.definition.script and task.id not in seen and not task.definition.node_tag
    ]
    shown = 0
    for task in scripts[:MOST_SCRIPTS]:
        fault = script_fault(task.definition, surroundings)
        if fault is not None:
            shown += 1
            yield wrong("script", f"'{task.name}' cannot start: {fault}.", _cure(task, fault), case=Case.FAILURES)
        if shown == 2 * NAMED:
            return


def script_fault(definition: TaskDefinition, surroundings: Surroundings) -> str | None:
    """Return why the task's script cannot start on this machine, as a part of a sentence, or None."""
    path = definition.script
    if path is None:
        return None
    user = _uid(definition.run_as, surroundings.owner_uid)
    folders = surroundings.script_directories
    fault = check_script(path, run_as_uid=user, service_uid=surroundings.owner_uid, directories=folders)
    return fault.rstrip(".") if fault else missing_interpreter(path, surroundings.task_path)


def _uid(user: str | None, owner: int) -> int:
    try:
        return owner if user is None else pwd.getpwnam(user).pw_uid
    except KeyError:
        return owner


def missing_interpreter(path: str, search_path: str) -> str | None:
    """Return which interpreter a script needs that is not there, as a part of a sentence, or None."""
    wanted = _shebang(path) if _is_executable(path) else None
    if wanted is None:
        program = INTERPRETERS.get(os.path.splitext(path)[1])
        if program is None or find_program(program, search_path) is not None:
            return None
        return f"the script {path} needs '{program}', which is not in the PATH {search_path}"
    program, is_found = _looked_up(wanted, search_path)
    return None if is_found else f"the script {path} names the interpreter '{program}', which is not there"


def _is_executable(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & ANY_EXECUTE)
    except OSError:
        return False


def _shebang(path: str) -> list[str] | None:
    """Return the words of its first line, None where it has none, or is not for us to read."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return [path]  # A program of its own.
    return head[2:].split(b"\n")[0].decode("utf-8", "replace").split() or None


def _looked_up(words: list[str], search_path: str) -> tuple[str, bool]:
    plain = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if os.path.basename(words[0]) == "env" and plain and os.path.exists(words[0]):
        return plain[0], "/" in plain[0] or find_program(plain[0], search_path) is not None
    return words[0], os.path.exists(words[0])


def _cure(task: Task, fault: str) -> str:
    path = task.definition.script or ""
    if "does not exist" in fault or "leads nowhere" in fault:
        return f"Put it back, or name where it is now: smart-cron task edit {name(task)} --script /PATH"
    if "interpreter" in fault or "which is not in the PATH" in fault:
        return f"Install the interpreter, or mend the first line: head -1 {path}"
    if "belongs to" in fault:
        return f"Give it to root or the service user: chown root {path}"
    if "can be changed" in fault:
        return f"Take the right away: chmod go-w {path}"
    if "not executable" in fault:
        return f"Make it executable: chmod +x {path}"
    return f"Mend it: ls -ld {path}; smart-cron task show {name(task)}"
