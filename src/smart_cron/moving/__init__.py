"""The whole database carried over to another one, from the hold on the old one to the first start on the new one.

Nothing starts on either while it goes on: the old one is held from the first moment, and for good, so that no slot has
two databases; the new one is marked as not whole until everything was compared. Every step may be cut short: called
again, it goes on where it stopped.
"""

from smart_cron.moving.safety import Situation
from smart_cron.moving.switch import settings_line, switch_settings
from smart_cron.moving.undoing import take_back
from smart_cron.moving.whole import Move, Moved, is_same_place

__all__ = ["Move", "Moved", "Situation", "is_same_place", "settings_line", "switch_settings", "take_back"]
