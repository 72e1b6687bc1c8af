"""How long are our certificates good."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from smart_cron.core.health import CheckStatus, Finding, Threshold
from smart_cron.services.health.checks.words import count

NAME = "certificate"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18


class UnreadableCertificateError(ValueError):
    """A file that holds no certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A PEM file. Of a chain the first to end counts; of *authorities*, of which one is enough, the last."""

    file: Path
    authorities: bool = False


def look(watched: Sequence[Watched], threshold: Threshold, *, now: datetime) -> Finding:
    """Read the files that the settings name."""
    if not watched:
        return Finding(check=NAME, status=CheckStatus.OK, message="no certificate is configured.")
    ends: dict[Path, datetime] = {}
    faults: list[str] = []
    for file, authorities in ((each.file, each.authorities) for each in watched):
        try:
            found = ends_of(file.read_bytes())
            ends[file] = max(found) if authorities else min(found)
        except (OSError, UnreadableCertificateError) as error:
            faults.append(f"the certificate {file} cannot be read: {getattr(error, 'strerror', None) or error}")
    return _unreadable(faults) if faults else judge(ends, threshold, now=now)


def judge(ends: dict[Path, datetime], threshold: Threshold, *, now: datetime) -> Finding:
    """Return what is to be said of certificates that are good until then."""
    file, end = min(ends.items(), key=lambda item: item[1])
    days = (end - now).total_seconds() / 86_400
    status = threshold.judge(days)
    if days <= 0:
        message = f"the certificate {file} ended on {end:%Y-%m-%d}."
    else:
        message = f"the certificate {file} is good for {count(int(days), 'day')}, until {end:%Y-%m-%d}."
    return Finding(
        check=NAME,
        status=status,
        message=message,
        remedy="" if status is CheckStatus.OK else "Renew it and put the new one in its place.",
        measured=round(days, 1),
        threshold=threshold.crossed(days),
        unit=threshold.unit,
    )


def _unreadable(faults: Sequence[str]) -> Finding:
    return Finding(
        check=NAME,
        status=CheckStatus.CRITICAL,
        message=f"{'; '.join(faults)}.",
        remedy="Mend the path in the settings, or let this user read the file.",
    )


def ends_of(pem: bytes) -> list[datetime]:
    """Return when each certificate in a PEM file ends. Raise UnreadableCertificateError without one."""
    found = [_not_after(body) for body in _PEM.findall(pem)]
    if not found:
        raise UnreadableCertificateError("it holds no certificate in PEM")
    return found


def _not_after(body: bytes) -> datetime:
    """Walk to `validity` (RFC 5280, 4.1): the fourth field behind an optional version, its second time."""
    try:
        whole = base64.b64decode(body)
        certificate = next(_fields(whole))[1]
        fields = list(_fields(next(_fields(certificate))[1]))
        if fields[0][0] == _VERSION:
            fields = fields[1:]
        kind, text = list(_fields(fields[3][1]))[1]
        return _instant(kind, text.decode("ascii"))
    except (ValueError, IndexError, StopIteration) as error:
        raise UnreadableCertificateError("it is damaged") from error


def _instant(kind: int, text: str) -> datetime:
    if kind == _UTC_TIME:
        # Years are written with two digits up to 2049.
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError(f"no time: {kind}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of each DER field."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        yield tag, data[at : at + length]
        at += length
