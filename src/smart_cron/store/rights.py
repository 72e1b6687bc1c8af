"""Which right an account of a server lacks, read from the server's own words; and the statement that gives it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# What this account may not do: with a table, a column, a routine, or what is for administrators.
MYSQL_CODES = frozenset({1142, 1143, 1227, 1370})
# It may not even enter the database: an outage for whoever runs on it, until it is granted.
MYSQL_DATABASE = 1044
POSTGRESQL_STATE = "42501"
WHAT_TO_DO = "'smart-cron db grants' prints what each account needs; tables are made by that of [database] migrate_url."
# What running takes: whoever lacks something else should not do it by this account.
_GIVEN = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"})
_AUDIT = "smart_cron_audit_log"
_DENIED = re.compile(
    r"\b(?P<right>[A-Za-z][A-Za-z, ]*?) command denied to user (?P<account>'[^']*'@'[^']*')"
    r" for (?P<kind>table|column|routine) (?P<name>\S+)"
)
_PRIVILEGE = re.compile(r"at least one of\) the (?P<right>[A-Z, ]+?) privilege")
_DATABASE = re.compile(r"Access denied for user (?P<account>'[^']*'@'[^']*') to database '(?P<name>[^']*)'")
_PERMISSION = re.compile(r"permission denied (?P<how>for|to) (?P<what>[^.]+)|must be (?P<owner>owner of [^.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A right that is missing, as a clause, and what helps."""

    words: str
    remedy: str = WHAT_TO_DO


def lack(text: str) -> Lack | None:
    """Return what the words of a server's refusal say; None where they say nothing that we can read."""
    for pattern, read in ((_DENIED, _of_thing), (_DATABASE, _of_database), (_PRIVILEGE, _of_server)):
        found = pattern.search(text)
        if found:
            return read(found)
    found = _PERMISSION.search(text)
    return _of_postgresql(found) if found else None


def _of_thing(found: re.Match[str]) -> Lack:
    right, kind, name = found["right"].strip().upper(), found["kind"], found["name"]
    words = f"it lacks {right} on the {kind} {name}"
    if right not in _GIVEN or kind == "column" or (_AUDIT in name and right != "SELECT"):
        return Lack(words=words)
    return Lack(words=words, remedy=f"{_grant(right, kind, name, found['account'])}; {WHAT_TO_DO}")


def _grant(right: str, kind: str, name: str, account: str) -> str:
    # Whether a routine is a procedure or a function is not said; ours are procedures.
    on = f"PROCEDURE {name.strip(chr(39))}" if kind == "routine" else name.strip("'")
    return f"Grant it: GRANT {right} ON {on} TO {account}"


def _of_database(found: re.Match[str]) -> Lack:
    return Lack(
        words=f"it has no right in the database {found['name']}",
        remedy=f"As its administrator: SHOW GRANTS FOR {found['account']}; {WHAT_TO_DO}",
    )


def _of_server(found: re.Match[str]) -> Lack:
    return Lack(words=f"it lacks {found['right']}, which is for administrators")


def _of_postgresql(found: re.Match[str]) -> Lack:
    if found["owner"]:
        return Lack(words=f"it is not {found['owner']}")
    return Lack(words=f"it {'may not' if found['how'] == 'to' else 'lacks a right on'} {found['what']}")
