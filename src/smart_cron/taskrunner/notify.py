"""Telling systemd how far the task runner's unit is: sd_notify(3), which is one datagram."""

from __future__ import annotations

import os
import socket

READY = b"READY=1"
STOPPING = b"STOPPING=1"


def notify_systemd(state: bytes) -> bool:
    """Send *state* to $NOTIFY_SOCKET and say whether somebody took it; without one, or one that is gone, do nothing.

    Whoever started a unit waits for READY, and starts it again where that never comes: no fault of ours to die of.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # An @ stands for the NUL before an abstract name.
    name = "\0" + address[1:] if address.startswith("@") else address
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        line.connect(name)
        return line.send(state, socket.MSG_DONTWAIT) == len(state)
    except OSError:
        return False
    finally:
        line.close()
