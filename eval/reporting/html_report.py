"""`python -m eval report OUT…`: one self-contained HTML page with tables, plots and the questions that were missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.datasets import beir
from eval.reporting import journal, outcome, plots, tables
from rag.errors import SettingsError

MISSES_SHOWN = 30
_TEMPLATE = "report.html.jinja"


@dataclass(frozen=True, slots=True)
class Miss:
    """A question that was missed: the answer, what was expected, and quotes or articles that were found instead."""

    question: str
    answer: str
    expected: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Misses:
    """The first misses of a run, and how many there are."""

    title: str = ""
    count: int = 0
    shown: tuple[Miss, ...] = ()


def write(folders: Sequence[Path], page: Path) -> None:
    """Writes the page. Raises SettingsError when a folder holds no result, or matplotlib is not installed."""
    from jinja2 import Environment, FileSystemLoader

    found = [(folder, outcome.load(folder)) for folder in folders]
    if not found:
        raise SettingsError("There is nothing to report. Name one or more folders given as --out.")
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    shown = templates.get_template(_TEMPLATE).render(sections=[_section(folder, result) for folder, result in found])
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(shown + "\n", encoding="utf-8")


def _section(folder: Path, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of one result."""
    crashed = (result.get("crashed") or {}).items()
    return {
        "title": f"{result['command']}: {result['data'].get('name', '')}",
        "origin": _origin(result),
        "settings": [(key, value) for key, value in result.get("settings", {}).items() if value != ""],
        "versions": list(result.get("versions", {}).items()),
        "table": tables.of_result(result),
        "problems": [
            *result["data"].get("problems", ()),
            *(f"{system}: {query} crashed: {error}" for system, one in crashed for query, error in one.items()),
        ],
        "plots": [plot for plot in _plots(result) if plot],
        "misses": _misses(folder, result),
    }


def _origin(result: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Where the figures come from: data, model, code, machine and day."""
    data, machine = result["data"], result.get("machine", {})
    origin = {
        "data": f"{data.get('name', '')} {data.get('split', '')} {data.get('digest', '')}",
        "model": result.get("model", ""),
        "judge": result.get("judge", ""),
        "commit": str(result.get("commit", ""))[:12],
        "code": result.get("code", ""),
        "machine": f"{machine.get('cpu', '')}, {machine.get('cores', '')} cores",
        "seed": result.get("seed", ""),
        "date": result.get("date", ""),
        "left out": result.get("left_out", 0),
    }
    return [(key, value) for key, value in origin.items() if value != ""]


def _plots(result: Mapping[str, Any]) -> list[str]:
    """The plots that this result has figures for."""
    found = []
    if result.get("by_kind"):
        bars = [(kind, one["right"], f"n={one['n']}") for kind, one in result["by_kind"].items()]
        found.append(plots.bars("Right answers by kind of question", bars))
    if result.get("reliability"):
        points = [(one["claimed"], one["right"], one["n"]) for one in result["reliability"]]
        found.append(plots.reliability("Share of supported sentences (x), share of right answers (y)", points))
    if result.get("latencies_ms"):
        found.append(plots.distribution("Latency in ms (x), share of questions (y)", result["latencies_ms"]))
    if result.get("growth"):
        found.append(plots.growth("Passages (x), growth relative to the smallest archive (y)", result["growth"]))
    if result["command"] == "retrieval":
        rows = [row for row in result["rows"] if row["measure"] == "nDCG@10" and row["value"] is not None]
        found.append(plots.bars("nDCG@10", [(row["system"], row["value"], f"n={row['n']}") for row in rows]))
    return found


def _misses(folder: Path, result: Mapping[str, Any]) -> Misses:
    if not folder.is_dir():
        return Misses()
    predictions = folder / journal.PREDICTIONS
    if predictions.exists():
        rows = [one for one in journal.read(predictions) if isinstance(one, dict) and one.get("right") == 0]
        return Misses("Misses", len(rows), tuple(_wrong_answer(one) for one in rows[:MISSES_SHOWN]))
    return _not_found(folder, result) if result["command"] == "retrieval" else Misses()


def _wrong_answer(prediction: Mapping[str, Any]) -> Miss:
    answer = prediction.get("answer") or {}
    expected = " / ".join(prediction.get("answers", ())) or "a refusal"
    return Miss(
        question=prediction["question"],
        answer=str(answer.get("text") or prediction.get("error")),
        expected=f"expected: {expected}; articles: {', '.join(prediction.get('articles', ()))}",
        lines=tuple(f"[{c['number']}] {c.get('title', '')}: “{c['quote']}”" for c in answer.get("citations", ())),
    )


def _not_found(folder: Path, result: Mapping[str, Any]) -> Misses:
    """The questions without a relevant article among the first ten, for the first system of the run."""
    system = result["systems"][0]
    missed = [q for q, value in outcome.load_per_query(folder)[system]["RR@10"].items() if not value]
    rankings = {
        one["id"]: [article for article, _ in one["ranked"][:5]]
        for one in journal.read(folder / f"ranked_{system}.jsonl")
        if isinstance(one, dict) and "ranked" in one
    }
    try:
        data = beir.load(Path(str(result["data"].get("folder", ""))), result["data"]["split"])
    except SettingsError:  # the data set is not on this machine: show ids instead of texts
        data = None
    shown = []
    for query in missed[:MISSES_SHOWN]:
        texts = [
            f"{article}: {data.corpus[article].text[:150] if data and article in data.corpus else ''}"
            for article in rankings.get(query, ())
        ]
        question = data.queries[query].text if data and query in data.queries else query
        wanted = ", ".join(data.qrels.get(query, ())) if data else ""
        shown.append(Miss(question, "", f"expected: {wanted}", tuple(texts)))
    return Misses(f"Misses of {system}", len(missed), tuple(shown))
