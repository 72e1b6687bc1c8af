"""Health: is the system well, what is wrong, and what is to be done about it.

Each check is a file in `checks/`: a function that looks at one thing, changes nothing, and returns a finding. All of
them look at the same time, each in a thread with a deadline: one that hangs or crashes is a finding itself. Whoever
calls hands in what the checks look at; nothing here knows where the database is or what the settings say.
"""

from __future__ import annotations

from smart_cron.services.health.looking import DATABASE, SCHEMA, Examination, Probe, examine
from smart_cron.services.health.telling import tell

__all__ = ["DATABASE", "SCHEMA", "Examination", "Probe", "examine", "tell"]
