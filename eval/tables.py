"""Results as Markdown, for a README: one table a measure for retrieval, one a command for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RETRIEVAL = ("nDCG@10", "Success@1", "R@100")
Result = Mapping[str, Any]


def markdown(results: Sequence[Result]) -> str:
    """Tables of the results, retrieval first; the best system of a line in bold, 95% intervals in brackets."""
    retrieval = [one for one in results if one["command"] == "retrieval"]
    parts = [_sets(retrieval, measure) for measure in RETRIEVAL] if retrieval else []
    parts += [_measures(one) for one in results if one["command"] != "retrieval"]
    return "\n\n".join(parts)


def _sets(results: Sequence[Result], measure: str) -> str:
    """Data sets down, systems across."""
    systems = list(dict.fromkeys(r["system"] for one in results for r in one["rows"]))
    lines = [f"| {measure} | n | {' | '.join(systems)} |", f"|---|---:|{'---:|' * len(systems)}"]
    for one in results:
        here = {r["system"]: r for r in one["rows"] if r["measure"] == measure}
        n = max((r["n"] for r in here.values()), default=0)
        lines.append(f"| {one['data']['name']} | {n:,} | {_cells(here, systems)} |")
    return "\n".join(lines)


def _measures(one: Result) -> str:
    """Measures down, systems across."""
    systems = list(dict.fromkeys(r["system"] for r in one["rows"]))
    lines = [f"| {one['command']}: {one['data'].get('name', '')} | n | {' | '.join(systems)} |"]
    lines.append(f"|---|---:|{'---:|' * len(systems)}")
    for measure in dict.fromkeys(r["measure"] for r in one["rows"]):
        here = {r["system"]: r for r in one["rows"] if r["measure"] == measure}
        n = max(r["n"] for r in here.values())
        lines.append(f"| {measure} | {n:,} | {_cells(here, systems)} |")
    return "\n".join(lines)


def _cells(here: Mapping[str, Mapping[str, Any]], systems: Sequence[str]) -> str:
    values = [r["value"] for r in here.values() if r["value"] is not None]
    best = max(values) if len(values) > 1 else None
    return " | ".join(_cell(here.get(system), best) for system in systems)


def _cell(found: Mapping[str, Any] | None, best: float | None) -> str:
    if not found or found["value"] is None:
        return "–"
    value = f"{found['value']:.3f}".removeprefix("0") if found["value"] < 1 else f"{found['value']:.3f}"
    shown = f"**{value}**" if best is not None and found["value"] == best else value
    return f"{shown} [{found['low']:.3f}, {found['high']:.3f}]" if found["low"] != found["high"] else shown
