"""The settings after a move: the line to change, and the change itself, every other line left as it is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from smart_cron.config import PREFIX, Config, load_config, masked_url
from smart_cron.core.errors import SmartCronError
from smart_cron.home import replace_settings_file

VARIABLE = f"{PREFIX}DATABASE__URL"
_TABLE = re.compile(r"^[ \t]*\[database\][ \t]*(#.*)?$", re.MULTILINE)
_ANY_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_KEY = re.compile(r"^[ \t]*url[ \t]*=.*$", re.MULTILINE)


def settings_line(config: Config, url: str) -> str:
    """Return what has to stand in the settings, the password masked, and where."""
    variable = _variable()
    if variable:
        return f"{variable} in the environment: {masked_url(url)}"
    return f"in {config.file}, under [database]: url = {json.dumps(masked_url(url), ensure_ascii=False)}"


def _variable() -> str:
    return next((name for name in (VARIABLE, f"{VARIABLE}_FILE") if name in os.environ), "")


def switch_settings(config: Config, url: str) -> None:
    """Write the new URL into the settings file, whole or not at all. Raise SmartCronError where that is no use."""
    variable = _variable()
    if variable:
        raise SmartCronError(
            f"the database is named by {variable}, which wins over the settings file.", remedy="Change it there."
        )
    replace_settings_file(config.file, switched(_text(config.file), url))
    if load_config().database_url != url:
        raise SmartCronError(f"{config.file} does not say the new URL.", remedy="Set url under [database] by hand.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def switched(text: str, url: str) -> str:
    """Return the settings with `url` of [database] set to this, in TOML's own spelling."""
    line = f"url = {json.dumps(url, ensure_ascii=True)}"
    table = _TABLE.search(text)
    if table is None:
        return f"{text.rstrip()}\n\n[database]\n{line}\n".lstrip()
    rest = _ANY_TABLE.search(text, table.end())
    end = rest.start() if rest else len(text)
    body = text[table.end() : end]
    found = _KEY.search(body)
    body = f"{body[: found.start()]}{line}{body[found.end() :]}" if found else f"\n{line}{body}"
    return f"{text[: table.end()]}{body}{text[end:]}"
