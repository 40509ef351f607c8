"""Results as Markdown, for a README: one table a measure for retrieval, one a command for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rag.models.files import LLM_NAME

RETRIEVAL = ("nDCG@10", "Success@1", "R@100")
README = {"Success@1": "a relevant article comes first", "nDCG@10": "nDCG@10"}
NAMES = {
    "dateline": "Dateline", "dense": "vectors alone", "words": "words alone", "bm25": "BM25",
    "plain-llamaindex": "plain llama-index", "plain-trafilatura": "plain trafilatura",
    LLM_NAME: "packaged model", "extraction": "no model (extraction)",
}  # fmt: skip
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
        lines.append(f"| {one['data']['name']} | {_most(here):,} | {_cells(here, systems)} |")
    return "\n".join(lines)


def _measures(one: Result) -> str:
    """Measures down, systems across."""
    systems = list(dict.fromkeys(r["system"] for r in one["rows"]))
    lines = [f"| {one['command']}: {one['data'].get('name', '')} | n | {' | '.join(systems)} |"]
    lines.append(f"|---|---:|{'---:|' * len(systems)}")
    for measure in dict.fromkeys(r["measure"] for r in one["rows"]):
        here = {r["system"]: r for r in one["rows"] if r["measure"] == measure}
        lines.append(f"| {measure} | {_most(here):,} | {_cells(here, systems, _ranks(one))} |")
    return "\n".join(lines)


def _cells(here: Mapping[str, Mapping[str, Any]], systems: Sequence[str], ranks: bool = True) -> str:
    best = _best(here) if ranks else None
    return " | ".join(_cell(here.get(system), best) for system in systems)


def _best(here: Mapping[str, Mapping[str, Any]]) -> float | None:
    values = [r["value"] for r in here.values() if r["value"] is not None]
    return max(values) if len(values) > 1 else None


def _ranks(one: Result) -> bool:
    """Whether more is better in each of its measures. Of attacks and refusals it depends on the row: none is bold."""
    return not one["command"].startswith("behaviour") or one["command"] == "behaviour trecqa"


def _cell(found: Mapping[str, Any] | None, best: float | None) -> str:
    if not found or found["value"] is None:
        return "–"
    value = f"{found['value']:.3f}".removeprefix("0") if found["value"] < 1 else f"{found['value']:.3f}"
    shown = f"**{value}**" if best is not None and found["value"] == best else value
    return f"{shown} [{found['low']:.3f}, {found['high']:.3f}]" if found["low"] != found["high"] else shown


def readme(results: Sequence[Result]) -> str:
    """The tables of a README: each row, or each table, names the file that it is read from."""
    parts = []
    retrieval = [one for one in results if one["command"] == "retrieval"]
    for measure, shown in README.items() if retrieval else ():
        systems = list(dict.fromkeys(r["system"] for one in retrieval for r in one["rows"]))
        lines = [f"| {shown} | n | {_heads(systems)} |", f"|---|--:|{'--:|' * len(systems)}"]
        for one in retrieval:
            here = {r["system"]: r for r in one["rows"] if r["measure"] == measure}
            lines.append(f"| {_link(one['data']['name'], one)} | {_most(here):,} | {_short_cells(here, systems)} |")
        parts.append("\n".join(lines))
    for kind in ("ingest-pages", "answers", "behaviour"):
        parts += [_down(one) for one in results if one["command"].startswith(kind)]
    parts += [_bench(one) for one in results if one["command"].startswith("bench")]
    return "\n\n".join([*parts, *_origins(results)])


def _heads(systems: Sequence[str]) -> str:
    return " | ".join(NAMES.get(system, system) for system in systems)


def _link(text: str, one: Result) -> str:
    return f"[{text}](eval/results/{one['file']})"


def _down(one: Result) -> str:
    """Measures down, systems across, under a link to the file."""
    systems = list(dict.fromkeys(r["system"] for r in one["rows"]))
    title = one["command"].removeprefix("behaviour ")
    title = one["data"].get("name", title) if one["command"] == title else title
    lines = [f"| {_link(title, one)} | n | {_heads(systems)} |", f"|---|--:|{'--:|' * len(systems)}"]
    for measure in dict.fromkeys(r["measure"] for r in one["rows"]):
        here = {r["system"]: r for r in one["rows"] if r["measure"] == measure}
        lines.append(f"| {measure} | {_most(here):,} | {_short_cells(here, systems, _ranks(one))} |")
    return "\n".join(lines)


def _bench(one: Result) -> str:
    """Measures down, both systems and their ratio across; nothing was sampled, so there are no intervals."""
    systems = list(dict.fromkeys(r["system"] for r in one["rows"]))
    load = (one.get("machine") or {}).get("load")
    title = _link(one["command"], one) + (f", {load:.0f} other processes at its start" if load else "")
    lines = [f"| {title} | {_heads(systems)} | ratio |", f"|---|{'--:|' * len(systems)}--:|"]
    for measure in dict.fromkeys(r["measure"] for r in one["rows"]):
        here = {r["system"]: r["value"] for r in one["rows"] if r["measure"] == measure}
        cells = " | ".join(_number(here.get(system)) for system in systems)
        lines.append(f"| {measure} | {cells} | {_number(one.get('ratios_to_plain', {}).get(measure))} |")
    return "\n".join(lines)


def _most(here: Mapping[str, Mapping[str, Any]]) -> int:
    return max((int(r["n"]) for r in here.values()), default=0)


def _number(value: float | None) -> str:
    """Three digits that count."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short_cells(here: Mapping[str, Mapping[str, Any]], systems: Sequence[str], ranks: bool = True) -> str:
    best = _best(here) if ranks else None
    return " | ".join(_short_cell(here.get(system), best) for system in systems)


def _short_cell(found: Mapping[str, Any] | None, best: float | None) -> str:
    if not found or found["value"] is None:
        return "–"
    value = f"**{_share(found['value'])}**" if found["value"] == best else _share(found["value"])
    return f"{value} [{_share(found['low'])}, {_share(found['high'])}]" if found["low"] != found["high"] else value


def _share(value: float) -> str:
    """Without the leading nought; 0 and 1 as they are."""
    return f"{value:.0f}" if value in (0, 1) else f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


def _origins(results: Sequence[Result]) -> list[str]:
    """Where the figures come from, a line for each commit and machine; the files say the rest."""
    found: dict[str, list[str]] = {}
    for one in results:
        machine = one.get("machine") or {}
        origin = f"commit {str(one['commit'])[:7]}, seed {one['seed']}, {machine.get('cores')} cores"
        origin += f" ({machine.get('cpu')}), {one['date'][:10]}"
        found.setdefault(origin, []).append(one["file"].removesuffix(".json"))
    return [f"Measured at {origin}: {', '.join(files)}." for origin, files in found.items()]
