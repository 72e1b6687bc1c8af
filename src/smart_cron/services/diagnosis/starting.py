"""Tasks not running, as seen from outside the database: who works, and who would start it again."""

from __future__ import annotations

import shlex

from smart_cron.core.errors import SmartCronError
from smart_cron.core.node import NodeState
from smart_cron.services.diagnosis.facts import DatabaseFacts, Starters, service_call
from smart_cron.services.diagnosis.finding import Case, Finding, Surroundings, note, ok, wrong

CRON_DAEMONS = frozenset({"cron", "crond", "fcron", "busybox"})
INSTALL = "smart-cron service install"
START = "Have it started for good: smart-cron service install; or only now: smart-cron master"


def probe_master(surroundings: Surroundings) -> list[Finding]:
    """Tell whether a master works for this node, whether it is alive, and who starts it."""
    starters = surroundings.starters()
    facts = facts_or_none(surroundings)
    if surroundings.master_works():
        return [judge_working_master(surroundings, facts), *_judge_cron(starters, surroundings)]
    return [judge_missing_master(starters, surroundings, facts), *_judge_cron(starters, surroundings)]


def facts_or_none(surroundings: Surroundings) -> DatabaseFacts | None:
    """Return what the database tells, or None where it is down: another probe says so."""
    try:
        return surroundings.read_database()
    except SmartCronError:
        return None


def judge_working_master(surroundings: Surroundings, facts: DatabaseFacts | None) -> Finding:
    """Return what is to be said of a master that holds its node's lock: frozen, it is still there."""
    ours = next((node for node in facts.nodes if node.name == surroundings.node), None) if facts else None
    if facts is None or ours is None:
        return ok("master", "a master works for this node.")
    if ours.state(now=facts.now, silence=surroundings.node_silence) is not NodeState.SILENT:
        return ok("master", f"a master works for this node (process {ours.master_pid}).")
    return wrong(
        "master",
        f"a master holds this node and has given no sign of life since {ours.heard_at:%Y-%m-%d %H:%M:%S} UTC "
        f"(process {ours.master_pid}).",
        f"If it is frozen, end it and start another, tasks go on: kill -KILL {ours.master_pid}",
        case=Case.NOT_RUNNING,
    )


def judge_missing_master(starters: Starters, surroundings: Surroundings, facts: DatabaseFacts | None) -> Finding:
    """Return what is to be said where no master works: it is wrong only where tasks wait for one."""
    if starters.crontab:
        return ok("master", f"no master works just now; cron starts a pass each minute ({starters.crontab}).")
    if starters.units:
        return _stopped_unit(starters)
    living = facts.living(surroundings.node_silence) if facts else []
    ours = next((node for node in living if node.name == surroundings.node and node.stopped_at), None)
    if ours is not None:
        # Whoever calls passes from elsewhere, such as a container's schedule, is not for us to see.
        sentence = f"no master works just now; its last pass ended at {ours.stopped_at:%Y-%m-%d %H:%M:%S} UTC."
        return note("master", sentence, START)
    others = [node.name for node in living if node.name != surroundings.node]
    if others:
        return note("master", f"no master works for this node; these nodes have one: {', '.join(others)}.", START)
    if facts is not None and facts.wanted:
        count = f"{len(facts.wanted)} task{'' if len(facts.wanted) == 1 else 's'}"
        sentence = f"no master works, and nothing is installed that starts one: {count} will not run."
        return wrong("master", sentence, START, case=Case.NOT_RUNNING)
    return note("master", "no master works for this node, and nothing is installed that starts one.", START)


def _stopped_unit(starters: Starters) -> Finding:
    if not starters.systemd:
        sentence = "no master works; its units are installed, but systemd is not this machine's first process."
        return wrong(
            "master", sentence, "Have cron start it: smart-cron service install --crontab", case=Case.NOT_RUNNING
        )
    units = shlex.join(starters.units)
    sentence = f"no master works, although its units are installed ({', '.join(starters.units)})."
    return wrong(
        "master",
        sentence,
        f"Start it and look why it ended: systemctl restart {units}; journalctl -u smart-cron",
        case=Case.NOT_RUNNING,
    )


def _judge_cron(starters: Starters, surroundings: Surroundings) -> list[Finding]:
    if starters.unreadable:
        return [note("crontab", f"{starters.unreadable.rstrip('.')}.", "Call doctor as the service user, or as root.")]
    if not starters.crontab or CRON_DAEMONS & surroundings.programs():
        return []
    return [
        wrong(
            "cron",
            f"our lines stand in {starters.crontab}, but no cron daemon runs on this machine.",
            f"Start it: {service_call('restart', 'cron', systemd=starters.systemd)}",
            case=Case.NOT_RUNNING,
        )
    ]
