"""`RateLimit-Policy` and `RateLimit`: how often one may ask, and how often yet.

The fields of draft-ietf-httpapi-ratelimit-headers in its form of structured fields (RFC 9651): a rule by its name with
its quota `q` in a window of `w` seconds, and what remains of it, `r`, until it begins anew in `t` seconds. Of the older
three fields (`RateLimit-Limit` and so on) there is none: they could tell of one rule only, and not of which.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from smart_cron.faces.web.limits import Standing

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


def rate_headers(standings: Sequence[Standing]) -> Mapping[str, str]:
    """Return the two fields, a member for each rule; none where no rule was asked."""
    if not standings:
        return {}
    policies = [f'"{_name(each)}";q={each.allowed};w={each.window_seconds}' for each in standings]
    left = [f'"{_name(each)}";r={each.left};t={math.ceil(each.ends_in_seconds)}' for each in standings]
    return {POLICY: ", ".join(policies), LEFT: ", ".join(left)}


def _name(standing: Standing) -> str:
    return standing.kind.replace(" ", "-")
