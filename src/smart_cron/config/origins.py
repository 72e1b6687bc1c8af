"""Every setting with its default and where its value comes from, secrets hidden."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from smart_cron.config import PREFIX, Config

Source = Literal["environment", "file", "default"]
HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `key` has the tables that it stands in, with dots; values are as JSON has them."""

    key: str
    value: Any
    default: Any
    source: Source


def settings_of(config: Config, environ: Mapping[str, str] | None = None) -> list[Setting]:
    """Return every setting by its key. A secret that is set is `***`; so is its default, where it has one."""
    given = _given(config, os.environ if environ is None else environ)
    return sorted(_settings(config, given, ""), key=lambda setting: setting.key)


def _settings(values: BaseModel, given: Mapping[str, Source], place: str) -> Iterator[Setting]:
    shown = config_values(values)
    for name, field in type(values).model_fields.items():
        key, value = f"{place}{name}", getattr(values, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, given, f"{key}.")
            continue
        default = None if field.is_required() else _plain(field.get_default(call_default_factory=True))
        yield Setting(key=key, value=shown[name], default=default, source=_source(key, given))


def config_values(values: BaseModel) -> Mapping[str, Any]:
    """Return the fields as JSON has them; an address of the database without its password."""
    if isinstance(values, Config):
        return values.shown()
    return {name: _plain(getattr(values, name)) for name in type(values).model_fields}


def _plain(value: object) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, BaseModel):
        return {name: _plain(each) for name, each in value}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _source(key: str, given: Mapping[str, Source]) -> Source:
    """Return the strongest source of the setting, or of something in it."""
    found = {source for name, source in given.items() if name == key or name.startswith(f"{key}.")}
    return "environment" if "environment" in found else "file" if "file" in found else "default"


def _given(config: Config, environ: Mapping[str, str]) -> Mapping[str, Source]:
    in_file: dict[str, Source] = dict.fromkeys(_keys(_read(config), ""), "file")
    names = [name.removeprefix(PREFIX).lower() for name in environ if name.upper().startswith(PREFIX)]
    # `<NAME>_FILE` stands for the content of a file.
    keys = [name.replace("__", ".") for each in names for name in (each, each.removesuffix("_file"))]
    return {**in_file, **dict.fromkeys(keys, "environment")}


def _keys(values: Mapping[str, Any], place: str) -> Iterator[str]:
    for name, value in values.items():
        yield f"{place}{name}"
        if isinstance(value, Mapping):
            yield from _keys(value, f"{place}{name}.")


def _read(config: Config) -> Mapping[str, Any]:
    try:
        return tomllib.loads(config.file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # It was there when the settings were read; what it says now is not what counts.
        return {}
