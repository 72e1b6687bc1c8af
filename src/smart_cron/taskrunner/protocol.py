"""How the parties talk: lines of JSON between client and runner, one packet a message between runner and supervisor."""

from __future__ import annotations

import hashlib
import json
import marshal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Message = dict[str, Any]
    Order = dict[str, Any]

# sun_path holds 108 bytes, the last one a NUL.
SOCKET_PATH_BYTES = 107
RUN_ID_LENGTH = 64

# Runner to supervisor. An order that is too big for a packet follows PARCEL in a memory file.
ORDER = b"L"
PARCEL = b"B"
CANCEL = b"C"
PACKET_BYTES = 65_536

# Supervisor to runner: what happened, and what the supervisor does next.
STARTED = b"S"
REFUSED = b"R"  # and is free for another order
FINISHED = b"F"  # and is free for another order
RETIRING = b"E"  # finished, and ends: it still has a child, or was told to end
KEEPING = b"K"  # finished, and stays as the keeper of what the task left on purpose

_decode = json.JSONDecoder().raw_decode
_encoder = json.JSONEncoder(separators=(",", ":"))
# `JSONEncoder.encode` makes a new one of these at every call, which costs as much as the encoding.
_make_encoder = getattr(json.encoder, "c_make_encoder", None)
_make_chunks = _make_encoder and _make_encoder(
    None, _encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


def to_json(message: Message) -> str:
    """Return *message* as JSON, in ASCII and without blanks. Bytes that are no text travel as lone surrogates."""
    return "".join(_make_chunks(message, 0)) if _make_chunks else _encoder.encode(message)


def from_json(data: bytes) -> Any:
    """Return what `to_json` made into *data*; raise ValueError where it is not JSON."""
    text = data.decode()
    value, end = _decode(text)
    if end != len(text) and text[end:].strip():
        raise ValueError("there is something behind the JSON")
    return value


def line(message: Message) -> bytes:
    """Return *message* as one line."""
    return to_json(message).encode() + b"\n"


def packed(order: Order) -> bytes:
    """Return an order as the runner hands it to a supervisor, its own fork: read in a third of the time of JSON."""
    return marshal.dumps(order)


def unpacked(data: bytes) -> Order:
    """Return what `packed` made into *data*."""
    order: Order = marshal.loads(data)  # noqa: S302 - from our own parent, which read it as JSON
    return order


def is_run_id(text: object) -> bool:
    """Say whether *text* may name a file of ours: letters, digits and dashes only."""
    return (
        isinstance(text, str) and 0 < len(text) <= RUN_ID_LENGTH and text.isascii() and text.replace("-", "").isalnum()
    )


def socket_path(run_dir: str, state_dir: str, version: str) -> str:
    """Return where the runner of this state directory and version listens; see `at_address`."""
    mark = hashlib.sha1(os.fsencode(os.path.abspath(state_dir)), usedforsecurity=False).hexdigest()[:8]
    return f"{run_dir}/taskrunner-{mark}-{version}.sock"


def at_address(path: str, act: Callable[[str], None]) -> None:
    """Bind or connect a socket at *path*; by its directory's descriptor where an address cannot hold the path."""
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        act(path)
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        act(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


class LineBuffer:
    """Cuts a stream of bytes into lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that *data* completes, without their ends."""
        if b"\n" not in data:
            # Long unfinished lines are not searched again and again: only the new part can hold an end.
            self._rest += data
            return []
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        return lines

    def __len__(self) -> int:
        return len(self._rest)
