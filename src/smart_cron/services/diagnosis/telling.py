"""Settings that nobody reads, alerts that nobody hears, and what the log said last."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from smart_cron.core.alert_words import told
from smart_cron.logs.day_log import day_files
from smart_cron.logs.levels import weight_of
from smart_cron.logs.reading import entries_backwards
from smart_cron.services.diagnosis.facts import Receiver
from smart_cron.services.diagnosis.finding import Case, Finding, Surroundings, note, ok, wrong
from smart_cron.services.diagnosis.starting import facts_or_none

PREFIX = "SMART_CRON_"
# Enough to find the last trouble of a busy day, little enough to read in a moment.
MOST_LINES = 5000
DAYS = 2
REFUSAL = 300
LOST_DATABASE = "Failed to connect to database"


def probe_environment(surroundings: Surroundings) -> list[Finding]:
    """Tell of variables with our prefix that mean nothing: they would be passed over in silence."""
    return judge_names(surroundings.own_names, surroundings.setting_names)


def judge_names(names: Sequence[str], known: frozenset[str]) -> list[Finding]:
    """Return a finding for each of the names that is no setting. A table in *known* ends with two underscores."""
    return [judge_name(name, known) for name in names if not _is_known(name.upper(), known)]


def _is_known(name: str, known: frozenset[str]) -> bool:
    plain = name.removesuffix("_FILE")
    table, mark, _ = plain.partition("__")
    # What stands in a table is checked when the settings are read.
    return plain in known or name in known or (bool(mark) and f"{table}__" in known)


def judge_name(name: str, known: frozenset[str]) -> Finding:
    """Return what is to be said of a variable that is no setting, and which one was meant, as far as one can tell."""
    close = difflib.get_close_matches(
        name.upper(), sorted(each for each in known if not each.endswith("__")), n=1, cutoff=0.75
    )
    meant = f"; {close[0]} may be meant" if close else ""
    remedy = (
        f"Rename it to {close[0]}, or: unset {name}"
        if close
        else f"unset {name}; 'smart-cron config show' lists the settings."
    )
    return wrong("environment", f"{name} is no setting and is passed over{meant}.", remedy)


def probe_receivers(surroundings: Surroundings) -> list[Finding]:
    """Tell whether anybody hears of alerts, and of each way out that its last test found shut."""
    heard = [each.words for each in surroundings.receivers if not each.failed]
    found = [ok("alerts", f"alerts go to: {', '.join(heard)}.")] if heard else []
    if not surroundings.receivers:
        found = [_nobody_hears(surroundings)]
    found += [_unfit_receiver(fault, surroundings) for fault in surroundings.receiver_faults]
    return found + [_shut(each) for each in surroundings.receivers if each.failed]


def _nobody_hears(surroundings: Surroundings) -> Finding:
    sentence = "nobody is told when the system is not well: alert_email is empty and there is no channel."
    remedy = f"Set alert_email in {surroundings.settings_file}, then: smart-cron alert test email"
    return note("alerts", sentence, remedy)


def _unfit_receiver(fault: str, surroundings: Surroundings) -> Finding:
    key = fault.partition(":")[0]
    remedy = f"Mend {key} in {surroundings.settings_file}, then: smart-cron config check"
    return wrong("alerts", f"{fault.rstrip('.')}.", remedy)


def _shut(receiver: Receiver) -> Finding:
    remedy = f"Mend '{receiver.channel}', then try it: smart-cron alert test {shlex.quote(receiver.channel)}"
    return wrong("alerts", f"{receiver.words}: {receiver.failed.rstrip('.')}.", remedy)


def probe_messages(surroundings: Surroundings) -> list[Finding]:
    """Tell of messages that wait for long or were given up, with the words of the server that took none."""
    facts = facts_or_none(surroundings)
    if facts is None or not (facts.undelivered.pending or facts.undelivered.failed):
        return []
    backlog = facts.undelivered
    sentence = f"{backlog.failed} given up in the last 24 hours, {backlog.pending} waiting to be sent"
    words = told(backlog.refusal, REFUSAL).rstrip(".")
    sentence += f"; the last refusal was of {words}." if words else "."
    channel = backlog.refusal.partition(":")[0]
    return [note("messages", sentence, f"Try it: smart-cron alert test {shlex.quote(channel) if channel else 'email'}")]


def probe_log(surroundings: Surroundings) -> list[Finding]:
    """Tell the last trouble that the master's log knows of."""
    folder = surroundings.folders.get("log")
    if folder is None or not folder.is_dir():
        return []
    newest, trouble = _last_lines(folder)
    if newest is None:
        return [ok("log", "the master has written no line yet.")]
    if trouble is None:
        return [ok("log", f"its newest line is of {_stamp(newest)}; no error stands in the newest {MOST_LINES}.")]
    case = Case.DATABASE if LOST_DATABASE in str(trouble.get("message")) else None
    sentence = f"its last error is of {_stamp(trouble)}: {_text(trouble)}; its newest line of {_stamp(newest)}."
    if _age(trouble, newest) > timedelta(days=DAYS):
        return [ok("log", sentence)]
    return [note("log", sentence, "Read on: smart-cron logs --level ERROR", case=case)]


def _last_lines(folder: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the newest line, and the newest of those that tell of an error."""
    newest = None
    for entry in islice(_backwards(folder), MOST_LINES):
        newest = newest or entry
        if _is_trouble(entry):
            return newest, entry
    return newest, None


def _backwards(folder: Path) -> Iterator[dict[str, Any]]:
    for path in reversed(day_files(folder, "master")[-DAYS:]):
        yield from entries_backwards(path)


def _is_trouble(entry: dict[str, Any]) -> bool:
    # A failed run is the task's trouble and told there.
    level, message = str(entry.get("level")), str(entry.get("message"))
    return level in ("ERROR", "CRITICAL") and weight_of(level) > 0 and not message.startswith("Task completed")


def _stamp(entry: dict[str, Any]) -> str:
    return str(entry.get("timestamp") or "an unknown time")[:19]


def _text(entry: dict[str, Any]) -> str:
    context = entry.get("context")
    reason = context.get("reason") if isinstance(context, dict) else None
    text = str(entry.get("message"))
    return f"{text} ({str(reason)[:200]})" if reason else text


def _age(entry: dict[str, Any], newest: dict[str, Any]) -> timedelta:
    try:
        return datetime.fromisoformat(str(newest["utc"])) - datetime.fromisoformat(str(entry["utc"]))
    except (KeyError, ValueError, TypeError):
        return timedelta()
