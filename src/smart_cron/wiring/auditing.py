"""The watch over the audit log, for this node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from smart_cron.config import Config
from smart_cron.services.audit import AuditWatch
from smart_cron.wiring import House


def audit_watch(house: House) -> AuditWatch:
    """Return what looks for changes that nobody told."""
    return AuditWatch(
        audit=house.store.audit,
        revisions=house.store.revisions,
        state_dir=house.config.state_dir,
        node=house.config.node_name,
        settings=settings_of(house.config),
        log=house.log,
    )


def settings_of(config: Config) -> Mapping[str, tuple[object, bool]]:
    """Return every setting by its dotted name: its value as JSON has it, and whether it is a secret."""
    return dict(_flat("", config.model_dump()))


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, tuple[object, bool]]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, SecretStr):
            yield f"{prefix}{name}", (value.get_secret_value(), True)
        else:
            yield f"{prefix}{name}", (_plain(value), False)


def _plain(value: object) -> object:
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, Path) or not isinstance(value, str | int | float | bool | None):
        return str(value)
    return value
