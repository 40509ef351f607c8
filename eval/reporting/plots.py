"""Plots as inline SVG: nothing to install, nothing to load, readable in any browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

_COLOURS = ("#2f6db5", "#c4642d", "#3d8b52", "#8a4fa0", "#777777")
_W, _H, _LEFT, _BOTTOM, _TOP = 640, 300, 70, 40, 30
Point = tuple[float, float]


def bars(title: str, values: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars for (name, value from 0 to 1, note)."""
    height = _TOP + 26 * len(values) + 10
    parts = [f"<text x='0' y='16' font-weight='bold'>{escape(title)}</text>"]
    for number, (name, value, note) in enumerate(values):
        y = _TOP + 26 * number
        width = 340 * min(max(value, 0.0), 1.0)
        parts.append(f"<text x='160' y='{y + 14}' text-anchor='end'>{escape(name)}</text>")
        parts.append(f"<rect x='170' y='{y}' width='{width:.1f}' height='18' fill='{_COLOURS[0]}'/>")
        parts.append(f"<text x='{178 + width:.1f}' y='{y + 14}'>{value:.3f} {escape(note)}</text>")
    return _svg(parts, height)


def reliability(title: str, points: Sequence[tuple[float, float, int]]) -> str:
    """(claimed, right, n) from 0 to 1 against the diagonal: on it, a claim is as good as its word."""
    parts = _frame(title, [(t / 4, f"{t / 4:.2f}") for t in range(5)], [(t / 4, f"{t / 4:.2f}") for t in range(5)])
    parts.append(_line([(0, 0), (1, 1)], "#999999", dashed=True))
    for claimed, right, n in points:
        x, y = _place(claimed, right)
        parts.append(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='{3 + min(n, 100) ** 0.5:.1f}' fill='{_COLOURS[0]}'/>")
        parts.append(f"<text x='{x + 12:.1f}' y='{y + 4:.1f}' font-size='11'>n={n}</text>")
    return _svg(parts, _H)


def distribution(title: str, values: Mapping[str, Sequence[float]]) -> str:
    """Cumulative share over milliseconds on a logarithmic axis, a line for each name."""
    every = [max(v, 0.1) for one in values.values() for v in one]
    if not every:
        return ""
    low, high = log10(min(every)), log10(max(every))
    span = (high - low) or 1.0
    ticks = [(t / 4, f"{10 ** (low + span * t / 4):.3g}") for t in range(5)]
    parts = _frame(title, ticks, [(t / 4, f"{25 * t}%") for t in range(5)])
    for number, (name, one) in enumerate(values.items()):
        ordered = sorted(max(v, 0.1) for v in one)
        points = [((log10(v) - low) / span, (i + 1) / len(ordered)) for i, v in enumerate(ordered)]
        parts.append(_line(points, _COLOURS[number % 5]))
        parts.append(_legend(name, number))
    return _svg(parts, _H)


def growth(title: str, values: Mapping[str, Sequence[Point]]) -> str:
    """(passages, value) on logarithmic axes, a line for each name; the values of each name relative to its first."""
    scaled = {
        name: [(log10(x), log10(y / one[0][1])) for x, y in one if x > 0 and y > 0]
        for name, one in values.items() if one and one[0][1] > 0
    }  # fmt: skip
    every = [point for one in scaled.values() for point in one]
    if not every:
        return ""
    (x0, x1), (y0, y1) = ((min(p[i] for p in every), max(p[i] for p in every)) for i in (0, 1))
    dx, dy = (x1 - x0) or 1.0, (y1 - y0) or 1.0
    x_ticks = [(t / 4, f"{10 ** (x0 + dx * t / 4):,.0f}") for t in range(5)]
    parts = _frame(title, x_ticks, [(t / 4, f"×{10 ** (y0 + dy * t / 4):.2g}") for t in range(5)])
    for number, (name, one) in enumerate(scaled.items()):
        parts.append(_line([((x - x0) / dx, (y - y0) / dy) for x, y in one], _COLOURS[number % 5]))
        parts.append(_legend(name, number))
    return _svg(parts, _H)


def _place(x: float, y: float) -> Point:
    """From 0 … 1 to the picture."""
    return _LEFT + x * (_W - _LEFT - 150), _H - _BOTTOM - y * (_H - _BOTTOM - _TOP)


def _line(points: Sequence[Point], colour: str, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_place(*point) for point in points))
    dash = " stroke-dasharray='4 4'" if dashed else ""
    return f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'{dash}/>"


def _legend(name: str, number: int) -> str:
    y = _TOP + 14 + 20 * number
    return f"<text x='{_W - 140}' y='{y}' fill='{_COLOURS[number % 5]}' stroke='none'>{escape(name)}</text>"


def _frame(title: str, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]]) -> list[str]:
    parts = [
        f"<text x='0' y='16' font-weight='bold'>{escape(title)}</text>",
        _line([(0, 1), (0, 0), (1, 0)], "#888888"),
    ]
    for at, name in x_ticks:
        x, y = _place(at, 0)
        parts.append(f"<text x='{x:.1f}' y='{y + 18:.1f}' text-anchor='middle' font-size='11'>{escape(name)}</text>")
    for at, name in y_ticks:
        x, y = _place(0, at)
        parts.append(f"<text x='{x - 6:.1f}' y='{y + 4:.1f}' text-anchor='end' font-size='11'>{escape(name)}</text>")
    return parts


def _svg(parts: Sequence[str], height: int) -> str:
    look = f"viewBox='0 0 {_W} {height}' width='{_W}' font-size='13' fill='currentColor' role='img'"
    return f"<p><svg {look}>{''.join(parts)}</svg></p>"
