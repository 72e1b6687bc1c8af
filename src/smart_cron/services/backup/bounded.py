"""Reading a gzip file that may be cut, damaged, or made to unpack to more than there is room for (SECURITY 39)."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from smart_cron.core.backup import RefusedBackupError

# Small files of one kind of text may well be packed a thousandfold.
_HARMLESS_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a file may unpack to: in bytes, and as a multiple of its own size."""

    text_bytes: int
    ratio: float


class BoundedText:
    """The lines of a packed file, unpacked as they are read."""

    def __init__(self, file: BinaryIO, bounds: Bounds, *, declared: int = 0) -> None:
        size = os.fstat(file.fileno()).st_size
        # What a backup of ours unpacks to is known to the byte.
        self._limit = min(bounds.text_bytes, declared or max(_HARMLESS_BYTES, int(bounds.ratio * size)))
        self._text = gzip.GzipFile(fileobj=file, mode="rb")
        self.text_bytes = 0

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next line. Raise RefusedBackupError for a file that is cut, damaged or a bomb."""
        try:
            line = self._text.readline(size)
        except EOFError:
            raise RefusedBackupError("the file is cut off: its end is missing.") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            # Without what stands there: it may be anybody's file.
            reason = str(error).partition(" (")[0]
            raise RefusedBackupError(f"the file is damaged, or not packed by gzip: {reason}.") from None
        self.text_bytes += len(line)
        if self.text_bytes > self._limit:
            raise RefusedBackupError(
                f"it unpacks to more than {self._limit:,} bytes, which is more than it may.",
                remedy="If it is no bomb, make room for it, or raise backup.max_ratio and backup.max_text_gb.",
            )
        return line


def sha256_of(file: BinaryIO) -> str:
    """Return the sum of a whole file, and go back to its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
