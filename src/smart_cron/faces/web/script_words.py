"""The words that scripts put into pages, in the reader's language: scripts themselves hold none.

`{name}` stands for what the script knows.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

# By the names under which scripts ask for them.
WORDS = {
    "seconds": _("{s} s"),
    "minutes": _("{min} min"),
    "minutesAndSeconds": _("{min} min {s} s"),
    "hours": _("{h} h"),
    "hoursAndMinutes": _("{h} h {min} min"),
    "days": _("{d} d"),
    "daysAndHours": _("{d} d {h} h"),
    "ago": _("{span} ago"),
    "in": _("in {span}"),
    "now": _("now"),
    "polling": _("Asking every 30 seconds"),
}
