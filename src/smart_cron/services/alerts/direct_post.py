"""Sends without the outbox, while there is no database to keep one in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from smart_cron.core.delivery import Address
from smart_cron.core.message import DeliveryError, Message
from smart_cron.core.ports import Clock, Log
from smart_cron.core.ports.messages import Channel
from smart_cron.core.telling import next_try_after


class DirectPost:
    """Who does not take a message is asked again later. For one thread; it forgets with its process."""

    def __init__(self, *, open_channel: Callable[[str], Channel], clock: Clock, log: Log) -> None:
        self._open_channel, self._clock, self._log = open_channel, clock, log
        self._tries: dict[Address, tuple[int, datetime]] = {}

    def may_send(self, address: Address) -> bool:
        """Whether it is time to try this receiver (again)."""
        return address not in self._tries or self._clock.now() >= self._tries[address][1]

    def send(self, address: Address, message: Message, *, pause: timedelta = timedelta()) -> bool:
        """Send, and say whether it was taken; then the next one may follow after *pause*. Never raises."""
        try:
            self._send(address, message)
        except DeliveryError as error:
            self._put_off(address, error)
            return False
        except Exception as error:  # noqa: BLE001 - a channel that breaks keeps nobody else from hearing of it
            self._put_off(address, DeliveryError(f"{type(error).__name__}: {error}", permanent=False))
            return False
        self._tries[address] = (0, self._clock.now() + pause)
        return True

    def forget(self) -> None:
        """Try everybody at once the next time."""
        self._tries.clear()

    def _send(self, address: Address, message: Message) -> None:
        channel = self._open_channel(address.channel)
        try:
            channel.send(message, target=address.target or "")
        finally:
            channel.close()

    def _put_off(self, address: Address, error: DeliveryError) -> None:
        tries = self._tries.get(address, (0, self._clock.now()))[0] + 1
        self._tries[address] = (tries, self._clock.now() + next_try_after(tries))
        self._log.error("Message was not taken", channel=address.channel, attempt=tries, reason=str(error))
