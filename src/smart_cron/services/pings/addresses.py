"""Where a ping goes: the paths that Healthchecks takes, and those that took them over."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

START, SUCCESS, FAIL, EXIT = "start", "success", "fail", "exit"


def ping_address(url: str, signal: str, *, exit_code: int | None = None, run_id: str | None = None) -> str:
    """Return the address for a signal of a run: `URL/start`, `URL`, `URL/fail`, `URL/3`, with `rid=` the run's id.

    The run's id lets the receiver tell which start an end belongs to. A query that *url* has is kept.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # Whoever calls it says what is wrong with it.
    path = parts.path.rstrip("/") + _ending(signal, exit_code)
    asked = [parts.query] if parts.query else []
    if run_id:
        asked.append(f"rid={quote(run_id, safe='')}")
    return urlunsplit((parts.scheme, parts.netloc, path, "&".join(asked), ""))


def _ending(signal: str, exit_code: int | None) -> str:
    if signal == SUCCESS:
        return ""
    if signal == EXIT and exit_code is not None and 0 <= exit_code <= 255:
        return f"/{exit_code}"
    return "/start" if signal == START else "/fail"
