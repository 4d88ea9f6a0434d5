"""The plot of the call benchmarks, drawn as SVG by hand: it needs no library, and diffs well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

import attrs

__all__ = ["Bars", "draw"]

WIDTH: Final = 980
COLUMNS: Final = 3
MARGIN: Final = 20
# Of a panel: its title, and the names of the clients before the bars.
TITLE: Final = 20
NAMES: Final = 97
LONGEST_BAR: Final = 155
BAR: Final = 15
# On a ground of its own, since a README may be light or dark.
OURS, OTHERS, GRID, TEXT, GROUND = "#1f6feb", "#9aa7b5", "#d8dee4", "#1f2328", "#ffffff"


@attrs.frozen
class Bars:
    """The ratios of one setting, by client."""

    title: str
    ratios: Mapping[str, float]


def draw(
    bars: Sequence[Bars],
    memory: Mapping[str, Sequence[tuple[int, float]]],
    ours: str,
    caption: str,
) -> str:
    """Return the plot."""
    high = 2 * TITLE + BAR * max((len(one.ratios) for one in bars), default=0)
    unit = LONGEST_BAR / max((ratio for one in bars for ratio in one.ratios.values()), default=1)
    title = "CPU of naive aiohttp over CPU of a client, for each call: longer is better"
    lines = [_text(MARGIN, 34, title, 14)]
    for number, one in enumerate(bars):
        row, column = divmod(number, COLUMNS)
        x = MARGIN + column * (WIDTH - 2 * MARGIN) / COLUMNS
        lines += _bars(one, ours, x, 54 + row * high, unit)
    top = 54 + math.ceil(len(bars) / COLUMNS) * high + 20
    lines += _memory(memory, top)
    height = top + 285
    words = caption.split(", ")
    half = math.ceil(len(words) / 2)
    lines.append(_text(MARGIN, height - 32, ", ".join(words[:half]) + ",", size=10))
    lines.append(_text(MARGIN, height - 18, ", ".join(words[half:]), size=10))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif" '
        f'fill="{TEXT}"><title>{escape(title)}</title>\n'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" '
        f'fill="{GROUND}" stroke="{GRID}"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _bars(one: Bars, ours: str, x: float, y: float, unit: float) -> list[str]:
    lines = [_text(x, y + 12, one.title, 12)]
    left, top = x + NAMES, y + TITLE
    for row, (name, ratio) in enumerate(one.ratios.items()):
        at = top + row * BAR
        fill = OURS if name in (ours, "update_many") else OTHERS
        lines.append(_text(left - 5, at + 11, name, 11, "end"))
        lines.append(
            f'<rect x="{left:.0f}" y="{at + 2:.0f}" width="{ratio * unit:.1f}" '
            f'height="{BAR - 3}" fill="{fill}"/>'
        )
        lines.append(_text(left + 4 + ratio * unit, at + 11, f"{ratio:.2f}"))
    # As fast as naive aiohttp.
    lines.append(
        f'<path d="M{left + unit:.1f} {top}v{len(one.ratios) * BAR}" stroke="{TEXT}" '
        'stroke-dasharray="2 2" stroke-opacity="0.4"/>'
    )
    return lines


def _memory(memory: Mapping[str, Sequence[tuple[int, float]]], top: float) -> list[str]:
    """Return the lines of both batches, on logarithmic axes. The least that is shown is 0.1."""
    lines = [_text(MARGIN, top, "Memory that a batch takes, in MiB, against its length", 14)]
    left, width, high = 80, 620, 180

    def place(length: float, mib: float) -> tuple[float, float]:
        x = left + (math.log10(length) - 3) / 3 * width
        return x, top + 20 + high - (math.log10(max(mib, 0.1)) + 1) / 4 * high

    for exponent in range(3, 7):
        x, y = place(10**exponent, 0.1)
        lines.append(f'<path d="M{x:.0f} {y:.0f}V{y - high:.0f}" stroke="{GRID}"/>')
        lines.append(_text(x, y + 18, f"{10**exponent:,}", anchor="middle"))
    for exponent in range(-1, 4):
        x, y = place(1000, 10**exponent)
        lines.append(f'<path d="M{x:.0f} {y:.0f}H{x + width:.0f}" stroke="{GRID}"/>')
        lines.append(_text(x - 6, y + 4, f"{10.0**exponent:g}", anchor="end"))
    for name, points in memory.items():
        fill = OURS if name == "update_many" else OTHERS
        places = [place(*point) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        lines.append(f'<path d="M{path}" stroke="{fill}" stroke-width="2" fill="none"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}"/>' for x, y in places]
        lines.append(_text(places[-1][0] + 8, places[-1][1] - 6, name))
    return lines
