"""The plot of the call benchmarks, drawn as SVG by hand: it needs no library, and diffs well."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

import attrs

__all__ = ["Bars", "draw"]

WIDTH: Final = 980
PANEL: Final = 225
BAR: Final = 15
OURS, OTHERS, GRID = "#1f6feb", "#9aa7b5", "#d8dee4"


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
    columns = 3
    high = 40 + BAR * max(len(one.ratios) for one in bars)
    lines = []
    for number, one in enumerate(bars):
        x, y = 10 + (number % columns) * (WIDTH - 20) / columns, 40 + (number // columns) * high
        lines += _bars(one, ours, x, y)
    top = 40 + math.ceil(len(bars) / columns) * high + 20
    lines += _memory(memory, top)
    height = top + 270
    words = caption.split(", ")
    half = len(words) // 2
    lines.append(_text(10, height - 22, ", ".join(words[:half]) + ",", size=10))
    lines.append(_text(10, height - 8, ", ".join(words[half:]), size=10))
    lines.insert(
        0,
        _text(10, 20, "CPU of naive aiohttp over CPU of a client, per call: longer is better", 14),
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, size: int = 11, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _bars(one: Bars, ours: str, x: float, y: float) -> list[str]:
    lines = [_text(x, y + 12, one.title, 12)]
    for row, (name, ratio) in enumerate(one.ratios.items()):
        at = y + 20 + row * BAR
        fill = OURS if name in (ours, "update_many") else OTHERS
        lines.append(_text(x + 92, at + 11, name, 11, "end"))
        lines.append(
            f'<rect x="{x + 97:.0f}" y="{at + 2:.0f}" width="{ratio * 38:.1f}" '
            f'height="{BAR - 3}" fill="{fill}"/>'
        )
        lines.append(_text(x + 101 + ratio * 38, at + 11, f"{ratio:.2f}"))
    return lines


def _memory(memory: Mapping[str, Sequence[tuple[int, float]]], top: float) -> list[str]:
    """Return the lines of both batches, on logarithmic axes."""
    lines = [_text(10, top, "Memory that a batch takes, in MiB, against its length", 14)]
    left, width, high = 70, 620, 180

    def place(length: float, mib: float) -> tuple[float, float]:
        x = left + (math.log10(length) - 3) / 3 * width
        return x, top + 20 + high - (math.log10(max(mib, 0.1)) + 1) / 4 * high

    for exponent in range(3, 7):
        x, y = place(10**exponent, 0.1)
        lines.append(f'<path d="M{x:.0f} {y:.0f}V{y - high:.0f}" stroke="{GRID}"/>')
        lines.append(_text(x, y + 14, f"{10**exponent:,}", anchor="middle"))
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
