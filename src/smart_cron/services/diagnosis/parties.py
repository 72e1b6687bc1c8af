"""Who takes part: this node, its task runner, the database, and the clocks between them."""

from __future__ import annotations

from datetime import timedelta

from smart_cron.core.errors import DatabaseUnavailableError, SmartCronError
from smart_cron.services.diagnosis.finding import Case, Finding, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.refusals import PROGRAMS, Address, address_of, refusal_of

# Slots are told by the minute; a node this far off starts them visibly early or late.
FAR_OFF = timedelta(seconds=5)
OFF = timedelta(seconds=1)


def probe_node(surroundings: Surroundings) -> list[Finding]:
    """Tell under which name this node takes part, and whose it is."""
    return [ok("node", f"this node is '{surroundings.node}'; its tasks are run by {surroundings.owner}.")]


def probe_task_runner(surroundings: Surroundings) -> list[Finding]:
    """Tell whether a task runner is there and answers."""
    try:
        pid = surroundings.runner_pid()
    except OSError as error:
        return [
            wrong(
                "task runner",
                f"{error}.",
                "A master that works replaces one that does not answer; running tasks go on meanwhile.",
            )
        ]
    if pid is not None:
        return [ok("task runner", f"the task runner answers (process {pid}).")]
    if surroundings.starts_task_runner:
        return [note("task runner", "no task runner is running; the master starts it when it needs one.")]
    return [
        wrong(
            "task runner",
            "no task runner is running, and the settings leave it to a unit (start_task_runner).",
            "Start it: systemctl start smart-cron-taskrunner",
        )
    ]


def probe_database(surroundings: Surroundings) -> list[Finding]:
    """Tell whether the database can be reached and has our tables, and whether its clock goes as ours."""
    if surroundings.exposed:
        # A consequence of what is told of the folders: it has no remedy, and no place before theirs.
        return [note("database", "it is not opened while others can write in our folders.")]
    try:
        facts = surroundings.read_database()
    except SmartCronError as error:
        return [judge_refusal(error, surroundings)]
    return [
        ok("database", f"{surroundings.database} answers, and its tables fit this version."),
        judge_clocks(facts.offset),
    ]


def judge_refusal(error: SmartCronError, surroundings: Surroundings) -> Finding:
    """Return what is to be said of a database that does not serve: why, in words of its own, and what helps."""
    address = address_of(
        surroundings.database,
        settings_file=str(surroundings.settings_file),
        systemd=surroundings.starters().systemd,
    )
    said = error.message.rstrip(".")
    refusal = refusal_of(said) if isinstance(error, DatabaseUnavailableError) else None
    if refusal is None:
        remedy = error.remedy or "'smart-cron config check' says more."
        return wrong("database", f"{said}.", remedy, case=Case.DATABASE)
    sentence = f"{refusal.name}: {said}{_nobody_there(address, surroundings)}."
    return wrong("database", sentence, refusal.remedy(address), case=Case.DATABASE)


def _nobody_there(address: Address, surroundings: Surroundings) -> str:
    if not address.is_local or PROGRAMS[address.service] & surroundings.programs():
        return ""
    return f", and no process of {address.service} runs on this machine"


def judge_clocks(offset: timedelta) -> Finding:
    """Return what is to be said of a database's clock that is *offset* ahead of this machine's."""
    if abs(offset) < OFF:
        return ok("clock", "the database's clock and this machine's agree.")
    sentence = (
        f"the database's clock is {seconds(offset)} {'ahead of' if offset > timedelta() else 'behind'} this machine's."
    )
    if abs(offset) < FAR_OFF:
        return note("clock", sentence, "Have both set by NTP.")
    return wrong("clock", sentence, "Slots go by the clocks: have both set by NTP.")


def seconds(span: timedelta) -> str:
    """Return the length of a span, whichever way it goes."""
    return f"{abs(span.total_seconds()):.1f} s"
