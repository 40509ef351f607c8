"""Plots of a report as inline SVG. The only file that imports matplotlib."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rag.errors import SettingsError

Point = tuple[float, float]


def bars(title: str, values: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars for (name, value from 0 to 1, note)."""
    with _figure(title, height=0.6 + 0.3 * len(values)) as (axes, svg):
        drawn = axes.barh([name for name, _, _ in values], [value for _, value, _ in values])
        axes.bar_label(drawn, [f"{value:.3f} {note}" for _, value, note in values], padding=4)
        axes.set_xlim(0, 1.3)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
    return "".join(svg)


def reliability(title: str, points: Sequence[tuple[float, float, int]]) -> str:
    """(claimed, right, n): the share that is claimed against the share that is right, beside the diagonal."""
    with _figure(title) as (axes, svg):
        axes.plot([0, 1], [0, 1], "--", color="grey")
        axes.scatter([c for c, _, _ in points], [r for _, r, _ in points], s=[20 + 2 * min(n, 100) for *_, n in points])
        for claimed, right, n in points:
            axes.annotate(f"n={n}", (claimed, right), xytext=(8, -4), textcoords="offset points")
    return "".join(svg)


def distribution(title: str, values: Mapping[str, Sequence[float]]) -> str:
    """The cumulative distribution of milliseconds on a logarithmic axis, a line for each name; "" without values."""
    if not any(len(one) for one in values.values()):
        return ""
    with _figure(title) as (axes, svg):
        axes.set_xscale("log")
        for name, one in values.items():
            axes.ecdf([max(value, 0.1) for value in one], label=name)
        axes.legend()
    return "".join(svg)


def growth(title: str, values: Mapping[str, Sequence[Point]]) -> str:
    """(passages, value) on logarithmic axes, a line for each name, each relative to its first value; "" without."""
    lines = {name: [(x, y / one[0][1]) for x, y in one] for name, one in values.items() if one and one[0][1] > 0}
    if not lines:
        return ""
    with _figure(title) as (axes, svg):
        axes.set_xscale("log")
        axes.set_yscale("log")
        for name, one in lines.items():
            axes.plot([x for x, _ in one], [y for _, y in one], "o-", label=name)
        axes.legend()
    return "".join(svg)


@contextmanager
def _figure(title: str, height: float = 3.2) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on, and a list that holds the SVG element afterwards.

    Raises SettingsError when matplotlib is not installed.
    """
    try:
        # Figure without pyplot: no global state and no window system.
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("Plots need matplotlib. Install it: pip install 'dateline[eval]'.") from None
    svg: list[str] = []
    # Text stays text, and a fixed salt makes the identifiers within the SVG the same in every run.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dateline", "axes.spines.right": False}):
        figure = Figure(figsize=(7, height), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title, loc="left")
        axes.spines["top"].set_visible(False)
        yield axes, svg
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    # Within HTML an SVG needs neither XML declaration nor document type.
    svg.append(re.sub(r"\A.*?(?=<svg)", "", written.getvalue(), flags=re.S))
