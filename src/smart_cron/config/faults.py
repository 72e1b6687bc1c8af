"""What is wrong with settings, a sentence for each fault, and for each what mends it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from smart_cron.core.errors import ConfigError

PREFIX = "SMART_CRON_"
_SECRET_WORDS = ("url", "password", "secret")
# Of two names that share so much one is likely meant for the other: `ulr` and `url` do.
_ALIKE = 0.66


class UnfitSettingsError(ConfigError):
    """Settings with faults; *cures* are what mends each of its problems, in their order."""

    def __init__(self, problems: Sequence[str], *, cures: Sequence[str], remedy: str) -> None:
        super().__init__(problems, remedy=remedy)
        self.cures = tuple(cures)


class OpenSettingsError(ConfigError):
    """A settings file that others may read or write; *is_planted* where one of them may have written it."""

    def __init__(self, path: Path, *, is_planted: bool) -> None:
        super().__init__([f"{path} can be read or written by others"], remedy=f"Mend it with: chmod 640 {path}")
        self.path, self.is_planted = path, is_planted


def unfit(
    error: ValidationError, *, model: type[BaseModel], path: Path, environ: Mapping[str, str]
) -> UnfitSettingsError:
    """Return ours for what pydantic found; *path* and *environ* are where the settings came from."""
    faults = error.errors()
    meant = [_meant(fault, model) for fault in faults]
    return UnfitSettingsError(
        [_problem(fault, name) for fault, name in zip(faults, meant, strict=True)],
        cures=[_cure(fault, name, path, environ) for fault, name in zip(faults, meant, strict=True)],
        remedy=f"The settings are in {path} and the environment.",
    )


def _problem(fault: Any, meant: str) -> str:
    key = _key(fault["loc"]) or "settings"
    if _is_unknown(fault):
        return f"{key} is no setting{f'; {meant} may be meant' if meant else ''}"
    # A fault of the settings as a whole, or of a table, is told without them: there is a password among them.
    is_secret = any(word in key for word in _SECRET_WORDS) or isinstance(fault["input"], Mapping)
    shown = "" if is_secret or not fault["loc"] else f", got {fault['input']!r}"
    return f"{key}: {fault['msg'].removeprefix('Value error, ')}{shown}"


def _cure(fault: Any, meant: str, path: Path, environ: Mapping[str, str]) -> str:
    variable = _variable(fault["loc"], environ)
    name, where = (variable, "the environment") if variable else (_key(fault["loc"]), str(path))
    if meant:
        return f"Rename {name} to {_as_variable(meant) if variable else meant} in {where}"
    if _is_unknown(fault):
        return f"Take {name} out of {where}"
    return f"Mend {name} in {where}" if name else f"The settings are in {path} and the environment."


def _is_unknown(fault: Any) -> bool:
    return bool(fault["type"] == "extra_forbidden")


def _key(place: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in place)


def _as_variable(key: str) -> str:
    return PREFIX + key.replace(".", "__").upper()


def _variable(place: Sequence[int | str], environ: Mapping[str, str]) -> str:
    """Return the variable that a setting came from, or nothing where it is the file's."""
    names = {name.upper().removesuffix("_FILE"): name for name in environ if name.upper().startswith(PREFIX)}
    keys = (_as_variable(_key(place[:length])) for length in range(len(place), 0, -1))
    return next((names[key] for key in keys if key in names), "")


def _meant(fault: Any, model: type[BaseModel]) -> str:
    """Return the setting that an unknown one was meant for, with its table, as far as one can tell."""
    if not _is_unknown(fault):
        return ""
    *table, last = fault["loc"]
    close = difflib.get_close_matches(str(last).lower(), _names_in(model, table), n=1, cutoff=_ALIKE)
    return _key([*table, close[0]]) if close else ""


def _names_in(model: type[BaseModel], table: Sequence[int | str]) -> list[str]:
    kind: Any = model
    for part in table:
        kind = _inner(kind, part)
    return sorted(kind.model_fields) if _is_model(kind) else []


def _inner(kind: Any, part: int | str) -> Any:
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    return get_args(kind)[-1] if get_origin(kind) is dict else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
