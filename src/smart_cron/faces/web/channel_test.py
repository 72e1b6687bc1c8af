"""A test message over a channel, for pages and programs: sent, remembered, and written down."""

from __future__ import annotations

from collections.abc import Mapping

from smart_cron.config import Config
from smart_cron.core.audit import Actor
from smart_cron.core.errors import SmartCronError
from smart_cron.faces.web.premises import Premises
from smart_cron.wiring.channel_trial import keep_result, try_channel
from smart_cron.wiring.channels import ChannelEntry, channels_of

# A ping has no words, and a task's own webhook is no address of ours.
UNTRIED = ("ping", "slack")


class UnknownChannelError(SmartCronError):
    """No channel has this name, or none that a message can be tried over."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no channel '{name[:100]}' to try a message over.")


def testable(config: Config) -> Mapping[str, ChannelEntry]:
    """Return the ways out that a message can be tried over."""
    return {name: entry for name, entry in channels_of(config).items() if name not in UNTRIED}


def tried(premises: Premises, entry: ChannelEntry, *, actor: Actor) -> tuple[bool, str]:
    """Send one; return whether it was taken, and the server's answer or why it was not.

    Raise TooManyError while others wait for servers that do not answer.
    """
    with premises.channels.asked():
        answer, fault = try_channel(premises.config, entry)
    told = {"kind": entry.kind, "taken": fault is None}
    premises.store.audit.note("test", actor=actor, entity=("channel", 0, entry.name), new=told)
    words = str(fault or answer)
    try:
        keep_result(premises.config, entry.name, ok=fault is None, words=words)
    except OSError as error:
        premises.log.warning("Result of a channel's test was not kept", reason=str(error.strerror))
    return fault is None, words
