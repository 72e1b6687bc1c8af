"""How often the same one may ask, by kinds of questions; counted over restarts and by all servers together.

Whoever is refused is remembered here until the window is over: a flood costs the database no more than what is allowed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.strategies import FixedWindowRateLimiter

from smart_cron.config.web import WebConfig
from smart_cron.core.errors import SmartCronError

if TYPE_CHECKING:
    from smart_cron.store.rate_limits import RateLimitRows

# As many are remembered as refused; whoever was refused longest ago is asked for in the database again.
MOST_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one stands with a rule: *left* of *allowed* in a window of so many seconds, which ends in so many."""

    kind: str
    allowed: int
    window_seconds: int
    left: int
    ends_in_seconds: float


class TooManyError(SmartCronError):
    """Asked too often; `wait_seconds` says when it may be asked again, `standing` by which rule, where known."""

    def __init__(self, wait_seconds: float, standing: Standing | None = None) -> None:
        super().__init__(f"that was asked too often; it is possible again in {wait_seconds:.0f} s.")
        self.wait_seconds, self.standing = wait_seconds, standing


def rules_of(web: WebConfig) -> Mapping[str, RateLimitItem]:
    """Return what may be asked how often, by kind."""
    return {
        "logins": RateLimitItemPerMinute(web.logins_per_minute_and_address),
        "login failures": RateLimitItemPerHour(web.login_failures_per_hour),
        "lockouts told": RateLimitItemPerHour(1),
        "second factors": RateLimitItemPerMinute(web.second_factors_per_minute),
        # Longer than a code is shown: whoever saw it typed has nothing of it.
        "codes used": RateLimitItemPerMinute(1),
        "runs": RateLimitItemPerMinute(web.runs_per_minute),
        "searches": RateLimitItemPerMinute(web.searches_per_minute),
        "channel tests": RateLimitItemPerMinute(web.channel_tests_per_minute),
        "api": RateLimitItemPerMinute(web.api_calls_per_minute),
        "api by address": RateLimitItemPerMinute(web.api_calls_per_minute_and_address),
        "pings": RateLimitItemPerMinute(web.pings_per_minute),
        "pings by address": RateLimitItemPerMinute(web.pings_per_minute_and_address),
    }


class Limits:
    """Asks the database, and no more than it must."""

    def __init__(
        self,
        rows: RateLimitRows,
        rules: Mapping[str, RateLimitItem],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows, self._rules, self._clock = rows, rules, clock
        self._limiter = FixedWindowRateLimiter(rows)
        self._refused: OrderedDict[str, float] = OrderedDict()

    def wait_seconds(self, kind: str, who: str) -> float:
        """Count one and return 0, or return after how many seconds there is one again. Raise DatabaseError."""
        return self._wait(kind, who, self._limiter.hit)

    def spent_seconds(self, kind: str, who: str) -> float:
        """Return how long there is none left, counting nothing; 0 where there is one."""
        return self._wait(kind, who, self._limiter.test)

    def require(self, kind: str, who: str) -> None:
        """Count one. Raise TooManyError where there is none left."""
        if wait := self.wait_seconds(kind, who):
            raise TooManyError(wait, self.spent(kind, wait))

    def forget(self, kind: str, who: str) -> None:
        """Let this one begin anew."""
        rule, name = self._rules[kind], _name(who)
        self._rows.clear(rule.key_for(kind, name))
        self._refused.pop(rule.key_for(kind, name), None)

    def standing(self, kind: str, who: str) -> Standing:
        """Return how this one stands, counting nothing. One statement. Raise DatabaseError."""
        rule, name = self._rules[kind], _name(who)
        hits, ends_in = self._rows.window(rule.key_for(kind, name))
        return Standing(
            kind=kind,
            allowed=rule.amount,
            window_seconds=rule.get_expiry(),
            left=max(0, rule.amount - hits),
            ends_in_seconds=ends_in,
        )

    def spent(self, kind: str, wait_seconds: float) -> Standing:
        """Return how somebody stands who was just refused; the database is not asked: a flood must cost it nothing."""
        rule = self._rules[kind]
        return Standing(
            kind=kind,
            allowed=rule.amount,
            window_seconds=rule.get_expiry(),
            left=0,
            ends_in_seconds=wait_seconds,
        )

    def _wait(self, kind: str, who: str, ask: Callable[..., bool]) -> float:
        rule, name = self._rules[kind], _name(who)
        key = rule.key_for(kind, name)
        until = self._refused.get(key, 0.0)
        if until > self._clock():
            return until - self._clock()
        if ask(rule, kind, name):
            return 0.0
        wait = max(1.0, self._rows.seconds_left(key))
        self._refused[key] = self._clock() + wait
        if len(self._refused) > MOST_REMEMBERED:
            self._refused.popitem(last=False)
        return wait


def user_key(user_id: int) -> str:
    """Return by what a user is counted, on pages and by keys together."""
    return f"user {user_id}"


def _name(who: str) -> str:
    """Names are what others typed, or keys of pings: the table holds neither, and of any length."""
    return hashlib.sha256(who.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def neighbourhood(address: str) -> str:
    """Return what one client can choose its address from: itself, in IPv6 its network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
