"""After a database came from a backup: what this node knows of the time since is entered, and nothing of it starts.

The database knows nothing of what happened after the backup. What the run files of this node tell is entered under
its own numbers; every other slot of that time is recorded as missed, since it may have run. Everything may be
interrupted anywhere and called again; starts are held back on all nodes until the last step.
"""

from smart_cron.recovery.restore import Restore, Settled, look_for_restore, settle_restored

__all__ = ["Restore", "Settled", "look_for_restore", "settle_restored"]
