"""Text that a task printed, as a page may show it: colours are kept, everything else that could act is made visible.

What a terminal would obey (moving about, titles, links) is left out where it is well-formed; a control character, and
a mark that turns the direction of the text around, is shown as a sign. Nothing here makes HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

# A colour; any other sequence of the terminal; an operating system command such as a title or a link.
_SEQUENCE = re.compile(
    r"\x1b\[([0-9;:]{0,64})m|\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"
)
_TURNING = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0x2028, 0x2029, 0xFEFF]
# U+2400 and on are pictures of the control characters.
SIGNS: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(32) if code not in (9, 10)},
    0x7F: "\u2421",
    **{code: f"\u27e8{code:02X}\u27e9" for code in range(0x80, 0xA0)},
    **{code: f"\u27e8U+{code:04X}\u27e9" for code in _TURNING},
    **dict.fromkeys(range(55296, 57344), "�"),
}
_BRIGHTNESS = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks; colours are 0 to 15, as terminals count them."""

    colour: int | None = None
    background: int | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    inverse: bool = False

    @property
    def classes(self) -> str:
        """Return the names that a style sheet knows it by, empty for plain text."""
        colour, background = self.colour, self.background
        if self.inverse:
            colour, background = (self.background or 0), (7 if self.colour is None else self.colour)
        names = [f"fg{colour}" if colour is not None else "", f"bg{background}" if background is not None else ""]
        names += [name for name in ("bold", "dim", "italic", "underline") if getattr(self, name)]
        return " ".join(filter(None, names))


PLAIN = Style()
_ON = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse"}
_OFF = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("inverse",),
    39: ("colour",),
    49: ("background",),
}


def styled(text: str, style: Style = PLAIN) -> Iterator[tuple[Style, str]]:
    """Yield the parts of a line, each with how it looks; the last style holds for what comes after."""
    at = 0
    for found in _SEQUENCE.finditer(text):
        if found.start() > at:
            yield style, text[at : found.start()].translate(SIGNS)
        if found[1] is not None:
            style = _changed(style, found[1])
        at = found.end()
    yield style, text[at:].translate(SIGNS)


def _changed(style: Style, codes: str) -> Style:
    numbers = [int(code) if code.isdigit() and len(code) < 4 else 0 for code in re.split("[;:]", codes)]
    rest = iter(numbers)
    for number in rest:
        style = _with(style, number, rest)
    return style


def _with(style: Style, number: int, rest: Iterator[int]) -> Style:
    if number == 0:
        return PLAIN
    if number in _ON:
        return _changed_by(style, _ON[number], value=True)
    if number in _OFF:
        for name in _OFF[number]:
            style = _changed_by(style, name, value=getattr(PLAIN, name))
        return style
    if number in (38, 48):
        return _changed_by(style, "colour" if number == 38 else "background", value=_extended(rest))
    for first, last, name, base in ((30, 37, "colour", 0), (90, 97, "colour", 8), (40, 47, "background", 0),
                                    (100, 107, "background", 8)):  # fmt: skip
        if first <= number <= last:
            return _changed_by(style, name, value=number - first + base)
    return style


def _changed_by(style: Style, name: str, *, value: Any) -> Style:
    return replace(style, **{name: value})


def _extended(rest: Iterator[int]) -> int | None:
    """Return the nearest of the sixteen colours to one of 256, or of red, green and blue."""
    kind = next(rest, None)
    if kind == 5:
        return _of_256(next(rest, 0))
    if kind == 2:
        return _nearest(*(next(rest, 0) for _ in range(3)))
    return None


def _of_256(number: int) -> int | None:
    if number < 16:
        return number
    if number < 232:
        cube = number - 16
        return _nearest(*(_BRIGHTNESS[part] for part in (cube // 36, cube // 6 % 6, cube % 6)))
    return _nearest(*[8 + 10 * (number - 232)] * 3) if number < 256 else None


def _nearest(red: int, green: int, blue: int) -> int:
    most, least = max(red, green, blue), min(red, green, blue)
    if most - least < 40:
        return 0 if most < 64 else 8 if most < 144 else 7 if most < 224 else 15
    middle = (most + least) / 2
    hue = (red > middle) + 2 * (green > middle) + 4 * (blue > middle)
    return hue + (8 if most > 200 else 0)
