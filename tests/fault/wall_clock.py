"""A wall clock that is stepped under a running process, and nothing but that: see preload.c."""

from __future__ import annotations

import mmap
import struct
import subprocess
from datetime import timedelta
from pathlib import Path

SOURCE = Path(__file__).with_name("preload.c")
NUMBER = struct.Struct("q")


class WallClock:
    """The clock of the processes that get `settings` in their environment. It begins with the machine's time."""

    def __init__(self, folder: Path) -> None:
        library, shift = folder / "wall_clock.so", folder / "shift"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
        shift.write_bytes(NUMBER.pack(0))
        self.settings = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(shift)}
        with shift.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), NUMBER.size)

    def set(self, ahead: timedelta) -> None:
        """Be so far ahead of the machine's clock from now on, or behind it."""
        self._shift[:] = NUMBER.pack(ahead // timedelta(microseconds=1) * 1000)
