"""The clean-up: what is old goes, a little at a time, and what is kept stays whole.

It is a list of steps, each of which finds what is left of its own work whenever it is called. So nothing is remembered
from one time to the next: whatever interrupts it, the next one goes on. A step that fails is told, and keeps no other
from its work. Rows are asked for through `core.ports.cleanup`; files are touched through descriptors of their folders
alone, so that no link is ever followed.
"""

from smart_cron.services.cleanup.cleaner import Cleaner, Step
from smart_cron.services.cleanup.report import Report, StepReport

__all__ = ["Cleaner", "Report", "Step", "StepReport"]
