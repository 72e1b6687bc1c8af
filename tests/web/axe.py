"""A page held against the rules of WCAG 2.2 AA as axe-core knows them, and against its own width."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.web.visitors import NARROW, WIDE

ROOT = Path(__file__).parents[2]
AXE = ROOT / "assets" / "testing" / "axe.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FIND = """async (tags) => {
  const found = await axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
  const shown = (each) => each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ');
  return found.violations.map((each) => `${each.id}: ${shown(each)}`);
}"""
LOOKS: list[Any] = [
    pytest.param({"viewport": size, "color_scheme": theme}, id=f"{name}-{theme}")
    for name, size in (("wide", WIDE), ("narrow", NARROW))
    for theme in ("light", "dark")
]


@cache
def _script() -> str:
    """Return axe; a build of the assets puts it in its place."""
    if not AXE.is_file():
        subprocess.run([sys.executable, str(ROOT / "hatch_build.py")], cwd=ROOT, check=True, timeout=600)
    return AXE.read_text(encoding="utf-8")


def broken(page: Page) -> list[str]:
    """Return the rules that the page breaks, with what breaks them."""
    page.evaluate(_script())
    found: list[str] = page.evaluate(FIND, RULES)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("scrolls sideways")
    return found
