"""The directories that are ours: made with the right mode, and refused where others could plant something in them."""

from __future__ import annotations

import os
import stat

MODE = 0o750


def own_directory(path: str) -> None:
    """Make the directory where it is missing; raise PermissionError where others than its owner can write in it."""
    os.makedirs(path, MODE, exist_ok=True)
    found = os.stat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{path} is not a directory")
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(f"{path} belongs to user {found.st_uid}, not to the user who runs Smart Cron")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} can be written by others: chmod 750 {path}")
