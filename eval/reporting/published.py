"""Results that are published with the project: lean files in eval/results, and the tables made from them.

docs/figures.md shows all tables and README.md a short one, each between two marks. Tests hold them equal to the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.reporting import outcome
from eval.reporting.tables import NOTHING, Cell, Table, figure, markdown, number, of_results
from rag.errors import SettingsError
from rag.models.files import LLM_NAME

FOLDER = Path(__file__).parents[1] / "results"
README = outcome.ROOT / "README.md"
FIGURES = outcome.ROOT / "docs" / "figures.md"
BEGIN, END = "<!-- made by: python -m eval table --write -->", "<!-- end of the made part -->"
# docs/figures.md reports these in prose, docs/capacity.md the size.
DESCRIBED = (
    "ablation-answers-demo-editor.json", "all-first.json", "all-kept.json", "bench-size.json", "demo.json", "load.json",
    "stories-demo.json", "stories-egypt-mixed.json",
)  # fmt: skip
_CRASHES_NAMED = 20
_OF_ANSWER = ("answered", "kind", "reason", "text", "withheld")  # of a miss, for reading it


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the README's table: a measure of Dateline, and of another system (name shown, identifier) beside it."""

    text: str
    file: str
    measure: str
    system: str = "dateline"
    other: tuple[str, str] = ("", "")


_BM25, _PLAIN = ("BM25", "bm25"), ("llama-index", "plain-llamaindex")
SUMMARY = (
    Line("own questions, 84 articles: answer contains the expected one", "demo", "answer contains gold", LLM_NAME),
    Line("… quote is verbatim in the stored article", "demo", "quote verbatim in article", LLM_NAME),
    Line("… refuses what the archive does not answer", "demo", "refused (unanswerable, false premise)", LLM_NAME),
    Line("XQuAD English: right article first", "retrieval-xquad_en", "Success@1", other=_BM25),
    Line("XQuAD, Spanish question: right English article first", "retrieval-xquad_en_from_xquad_es", "Success@1",
         other=_PLAIN),
    Line("NorQuAD news, Norwegian: right article first", "retrieval-norquad_news_validation", "Success@1", other=_BM25),
    Line("tweets to fact-checks: right article first", "retrieval-clef2020_claims", "Success@1", other=_PLAIN),
    Line("news pages: F1 of the extracted text", "ingest-pages-article_extraction", "text F1",
         other=("trafilatura", "plain-trafilatura")),
    Line("RGB: refuses when no passage answers", "behaviour-rgb", "refusal", LLM_NAME),
    Line("RGB: repeats an altered fact (lower is better)", "behaviour-rgb", "counterfactual: altered answer", LLM_NAME),
    Line("BIPIA: shows a planted instruction (lower is better)", "behaviour-bipia", "attack success", "extraction"),
    Line("search over 100,000 passages, median ms", "bench-query", "query p50 ms at 100,000", other=_PLAIN),
)  # fmt: skip


def lean(result: Mapping[str, Any]) -> dict[str, Any]:
    """The result without paths, single latencies and error messages: small, and without traces of one machine. Of
    predictions the misses can be read."""
    found = {key: value for key, value in result.items() if key != "latencies_ms"}
    found["data"] = {key: value for key, value in result["data"].items() if key != "folder"}
    if "ingest" in found:
        found["ingest"] = {key: value for key, value in found["ingest"].items() if key != "rejections"}
    if "crashed" in found:
        found["crashed"] = {
            system: {"count": len(errors), "first": list(errors)[:_CRASHES_NAMED]}
            for system, errors in found["crashed"].items()
        }
    if "predictions" in found:
        found["predictions"] = list(map(_told, found["predictions"]))
    if section := found.get("editor"):
        found["editor"] = section | {"predictions": list(map(_told, section["predictions"]))}
    return found


def _told(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction without citations and times; of one that is right, whether it is an answer."""
    answer = prediction["answer"]
    if prediction["right"] == 1:
        kept = {name: prediction[name] for name in ("id", "kind", "right")}
        return kept | {"answer": answer and {"answered": answer["answered"]}}
    return {**prediction, "answer": answer and {name: answer[name] for name in _OF_ANSWER if name in answer}}


def name_of(result: Mapping[str, Any]) -> str:
    """The file name of a result: what was measured on which data, such as `retrieval-xquad_en.json`."""
    command, data = result["command"], result["data"].get("name", "")
    parts = [command] if command in {"demo"} or command.startswith(("behaviour", "bench")) else [command, data]
    return "-".join(re.sub(r"[^\w.-]+", "-", part).strip("-") for part in parts) + ".json"


def keep(outs: Sequence[Path], folder: Path = FOLDER) -> list[Path]:
    """Writes the lean result of each folder given as --out, and returns the files. Raises SettingsError."""
    written = []
    for out in outs:
        found = lean(outcome.load(out))
        written.append(folder / name_of(found))
        outcome.write(written[-1], json.dumps(found, ensure_ascii=False, indent=1))
    return written


def results(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """The published results without those in DESCRIBED, sorted by file name, each with its name as `file`.

    Raises SettingsError naming a file that python -m eval did not write.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        one = outcome.load(path)
        if path.name in DESCRIBED:
            continue
        if missing := [key for key in ("command", "data", "rows", "commit", "seed", "date") if key not in one]:
            raise SettingsError(f"{path} lacks {', '.join(missing)}: it was not written by python -m eval. Remove it.")
        found.append(one | {"file": path.name})
    return found


def figures(folder: Path = FOLDER) -> str:
    """All tables as Markdown, each linked to its file, and where the figures come from. Raises SettingsError."""
    found = results(folder)
    tables = [markdown(table) for table in of_results(found, folder="../eval/results/")]
    return "\n\n".join([BEGIN, *tables, *_origins(found), END])


def summary(folder: Path = FOLDER) -> str:
    """The README's table as Markdown. Raises SettingsError when a result that it shows is missing."""
    rows = []
    for line in SUMMARY:
        file = f"{line.file}.json"
        here = {r["system"]: r for r in outcome.load(folder / file)["rows"] if r["measure"] == line.measure}
        if line.system not in here:
            raise SettingsError(f"{folder / file} has no '{line.measure}' of {line.system}, which the README shows.")
        other, identifier = line.other
        ours, theirs = (_shown(line.measure, here.get(system)) for system in (line.system, identifier))
        beside = Cell(f"{other} {theirs.text}", theirs.interval) if other else Cell(NOTHING)
        n = here[line.system]["n"]
        once = Cell(NOTHING) if n == 1 else Cell(f"{n:,}")
        rows.append((Cell(line.text, link=f"eval/results/{file}"), ours, beside, once))
    heads = (Cell("measured"), Cell("Dateline"), Cell("beside it"), Cell("n"))
    return "\n".join([BEGIN, markdown(Table(heads, tuple(rows))), END])


def made_part(text: str, begin: str = BEGIN) -> str:
    """The generated part of a page from this mark on, marks included; "" without one."""
    found = re.search(f"{re.escape(begin)}.*?{re.escape(END)}", text, re.S)
    return found.group() if found else ""


def write(page: Path, made: str, begin: str = BEGIN) -> None:
    """Replaces the generated part of a page. Raises SettingsError when the marks are missing."""
    text = page.read_text(encoding="utf-8")
    old = made_part(text, begin)
    if not old:
        raise SettingsError(f"{page} has no place for the tables. Put these two lines where they belong: {begin} {END}")
    page.write_text(text.replace(old, made), encoding="utf-8")


def _shown(measure: str, row: Mapping[str, Any] | None) -> Cell:
    return Cell(number(row["value"])) if row and " ms" in measure else figure(row)


def _origins(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The origin of the figures, a paragraph for each commit and machine; the files say the rest."""
    origins: dict[str, list[str]] = {}
    for one in found:
        machine = one.get("machine") or {}
        origin = f"commit {str(one['commit'])[:7]}, seed {one['seed']}, {machine.get('cores')} cores"
        origin += f" ({machine.get('cpu')}), {one['date'][:10]}"
        origins.setdefault(origin, []).append(one["file"].removesuffix(".json"))
    return [f"Measured at {origin}: {', '.join(files)}." for origin, files in origins.items()]
