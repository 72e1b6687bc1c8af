"""The checks, one a file. Each has a `NAME` and a `look` that returns a finding; it looks and changes nothing."""

from __future__ import annotations
