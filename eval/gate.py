"""`python -m eval gate`: fails when a figure falls below its floor by more than its noise.

floors.json holds for each data set its digest and, for each figure, floor, noise and n. Changed data or another n fails
too, because figures on other data cannot be compared. --update moves the floors; lowering one needs --lower and a
reason, which is kept in the file. The design follows tests/eval_gate.py of trafilatura.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eval.datasets import beir
from eval.experiments import demo as demo_experiment
from eval.experiments import editor, pages, retrieval
from eval.reporting.progress import Progress
from rag.errors import SettingsError
from rag.models.embeddings import Embedder
from rag.settings import Settings

FLOORS = Path(__file__).parent / "floors.json"
DEMO, EDITOR = "demo", "demo-editor"
OWN = (DEMO, EDITOR)  # the sets on the demo archive, which the project brings along
# Data sets that take minutes at most.
SHARED = (
    "onestopqa_articles",
    "xquad_en",
    "xquad_es",
    "norquad_news_validation",
    "heq_news_val",
)
PAGES = "article_extraction"
SETS = (*OWN, *SHARED, PAGES)
MEASURES = ("Success@1", "RR@10", "nDCG@10")
LEAST_N = 10  # questions below which a figure has no floor
LEAST_NOISE = 0.005  # processors with and without bfloat16 differ by less (measured on xquad_en)


@dataclass(frozen=True, slots=True)
class MeasuredSet:
    """The figures of one set: name → (value from 0 to 1, n)."""

    digest: str
    figures: Mapping[str, tuple[float, int]]


def noise(n: int) -> float:
    """How far a figure may fall by chance: two of its n questions, at least LEAST_NOISE."""
    return max(2 / n, LEAST_NOISE) if n else 0.0


# Of these the answers decide how many there are: quotes, citations, sentences. Their number may move by a tenth. That
# of questions may not, since one that is left out would raise a figure unseen.
COUNTED_BY_ANSWERS = frozenset(
    {
        "quote verbatim in article", "citations in gold articles", "sentences supported", "cites a gold article",
        "answers without a false statement",
    }
)  # fmt: skip
# Figures of the editor's questions with a floor. The second ones are better the lower they are: of them the rest has
# a floor, under the name that follows.
_EDITOR_FIGURES = (editor.PASS, editor.FACTS, editor.TRAPS)
_EDITOR_RESTS = {editor.FALSE: "answers without a false statement", editor.REFUSED: "answerable questions answered"}


def check(floors: Mapping[str, Any], measured: Mapping[str, MeasuredSet]) -> list[str]:
    """The failures, one line each; empty when every figure holds its floor. Sets that were not measured are skipped."""
    wrong = []
    for name, found in measured.items():
        pinned = floors.get(name)
        if pinned is None:
            wrong.append(f"{name}: has no floors yet; set them with --update")
            continue
        if pinned["digest"] != found.digest:
            wrong.append(f"{name}: its data is {found.digest}, the floors are for {pinned['digest']}; see --update")
            continue
        for figure, one in pinned["figures"].items():
            value, n = found.figures.get(figure, (math.nan, 0))
            slack = 0.1 * one["n"] if figure in COUNTED_BY_ANSWERS else 0
            if abs(n - one["n"]) > slack:
                wrong.append(f"{name}, {figure}: measured on {n} questions, its floor on {one['n']}")
            elif not value >= one["floor"] - one["noise"]:
                wrong.append(
                    f"{name}, {figure}: {value:.4f} is below {one['floor']:.4f} by more than {one['noise']:.4f}"
                )
    return wrong


def updated(
    floors: Mapping[str, Any], measured: Mapping[str, MeasuredSet], *, lower: bool, reason: str
) -> dict[str, Any]:
    """The floors moved to the measured values, truncated to four decimals.

    Raises SettingsError when one would be lowered, or dropped, without `lower` and a reason.
    """
    new: dict[str, Any] = json.loads(json.dumps(floors))
    lowered = []
    for name, found in measured.items():
        before = floors.get(name, {}).get("figures", {})
        figures = {
            figure: {"floor": math.floor(value * 10_000) / 10_000, "noise": round(noise(n), 4), "n": n}
            for figure, (value, n) in found.figures.items()
        }
        for figure, one in before.items():
            now = figures.get(figure, {"floor": -1.0})["floor"]
            if now < one["floor"]:
                lowered.append(
                    f"{name}, {figure}: {one['floor']:.4f} → {now:.4f}" if now >= 0 else f"{name}, {figure}: gone"
                )
        new[name] = {"digest": found.digest, "figures": figures}
    if lowered and not (lower and reason.strip()):
        raise SettingsError(f"These floors would be lowered: {'; '.join(lowered)}. Say --lower and --reason WHY.")
    if lowered:
        today = datetime.now(UTC).strftime("%Y-%m-%d")
        new.setdefault("lowered", []).append({"date": today, "reason": reason.strip(), "floors": lowered})
    return new


def read_floors(path: Path) -> dict[str, Any]:
    """The floors of a file; none when there is no file. Raises SettingsError when it is malformed."""
    if not path.exists():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name, one in found.items():
            if name != "lowered":
                _ = one["digest"], [(f["floor"] + f["noise"], f["n"]) for f in one["figures"].values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is malformed: {type(error).__name__} {error}. Repair or restore it.") from None
    return found


def measure(
    settings: Settings, embedder: Embedder, shared: Path | None, sets: Sequence[str], progress: Progress
) -> dict[str, MeasuredSet]:
    """Measures those of `sets` that are available: those on the demo archive always, the others in the folder `shared`.

    Raises SettingsError when `sets` names an unknown one.
    """
    if unknown := [name for name in sets if name not in SETS]:
        raise SettingsError(f"--only names '{unknown[0]}', expected some of {', '.join(SETS)}.")
    own = [name for name in sets if name in OWN]
    found = {name: one for name, one in _demo(settings, progress).items() if name in own} if own else {}
    for name in (name for name in sets if name not in OWN):
        folder = shared / ("pages" if name == PAGES else "retrieval") / name if shared else None
        if folder and folder.is_dir():
            found[name] = (
                _pages(folder, progress) if name == PAGES else _retrieval(folder, settings, embedder, progress)
            )
    return found


def _demo(settings: Settings, progress: Progress) -> dict[str, MeasuredSet]:
    """Retrieval in full, and answers by extraction: with the language model they would take hours.

    The published figures of the language model, in eval/results, are measured by hand.
    """
    with tempfile.TemporaryDirectory(prefix="dateline-gate-") as folder:
        own = settings.model_copy(update={"data_dir": Path(folder), "llm": "none", "catalog": ""})
        result = demo_experiment.run(own, with_answers=True, progress=progress)
    kept = [r for r in result["rows"] if r["system"] not in {"dense", "words"} and r["n"] >= LEAST_N]
    return {
        DEMO: MeasuredSet(result["data"]["digest"], {r["measure"]: (r["value"], r["n"]) for r in kept}),
        EDITOR: _edited(result["editor"]),
    }


def _edited(section: Mapping[str, Any]) -> MeasuredSet:
    """The figures of the editor's questions, each better the higher it is."""
    found = {r["measure"]: (r["value"], r["n"]) for r in section["rows"]}
    figures = {measure: found[measure] for measure in _EDITOR_FIGURES}
    rests = {name: (1 - found[measure][0], found[measure][1]) for measure, name in _EDITOR_RESTS.items()}
    return MeasuredSet(section["data"]["digest"], figures | rests)


def _retrieval(folder: Path, settings: Settings, embedder: Embedder, progress: Progress) -> MeasuredSet:
    data = beir.load(folder)
    with tempfile.TemporaryDirectory(prefix="dateline-gate-") as out:
        result = retrieval.run(data, Path(out), settings, embedder, systems=["dateline"], progress=progress)
    rows = [r for r in result["rows"] if r["measure"] in MEASURES]
    return MeasuredSet(data.digest, {r["measure"]: (r["value"], r["n"]) for r in rows})


def _pages(folder: Path, progress: Progress) -> MeasuredSet:
    """Dateline, and plain trafilatura as a control: when that figure moves, the scoring or the library changed."""
    with tempfile.TemporaryDirectory(prefix="dateline-gate-") as out:
        result = pages.run(folder, Path(out), progress)
    names = {pages.OURS: "text F1", pages.PLAIN: "text F1 of plain trafilatura"}
    figures = {names[r["system"]]: (r["value"], r["n"]) for r in result["rows"] if r["measure"] == "text F1"}
    return MeasuredSet(result["data"]["digest"], figures)
