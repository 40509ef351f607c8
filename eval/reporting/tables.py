"""Tables of results, each built once and rendered as Markdown here, in the terminal, or in the HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rag.models.files import LLM_NAME

Result = Mapping[str, Any]
Row = Mapping[str, Any]
SHOWN_OF_RETRIEVAL = {"Success@1": "a relevant article comes first", "nDCG@10": "nDCG@10"}
NAMES = {
    "dateline": "Dateline", "dense": "vectors alone", "words": "words alone", "bm25": "BM25",
    "plain-llamaindex": "plain llama-index", "plain-trafilatura": "plain trafilatura",
    LLM_NAME: "packaged model", "extraction": "no model (extraction)",
}  # fmt: skip
NOTHING = "–"
SEPARATOR = ", weight "  # between variant and weight in the systems of an ablation


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, the 95% interval of its value, whether it is the best of its row, and what it links to."""

    text: str
    interval: str = ""
    best: bool = False
    link: str = ""

    @property
    def plain(self) -> str:
        """Text and interval without markup."""
        return f"{self.text} {self.interval}".rstrip()

    @property
    def markdown(self) -> str:
        """Text and interval as Markdown."""
        text = f"[{self.text}]({self.link})" if self.link else self.text
        return f"{f'**{text}**' if self.best else text} {self.interval}".rstrip()


@dataclass(frozen=True, slots=True)
class Table:
    """Column heads and rows of cells. The first column names the row; the others hold figures."""

    heads: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


def markdown(table: Table) -> str:
    """The table as Markdown, figures aligned to the right."""
    lines = [table.heads, *table.rows]
    shown = [f"| {' | '.join(cell.markdown for cell in line)} |" for line in lines]
    return "\n".join([shown[0], f"|---|{'--:|' * (len(table.heads) - 1)}", *shown[1:]])


def of_result(result: Result, *, title: Cell = Cell("measure"), named: bool = False) -> Table:
    """Measures down, systems across, with n; for `bench` results, ratios to the plain baseline instead of n.

    `named` shows systems by their names for readers instead of their identifiers.
    """
    systems = list(dict.fromkeys(row["system"] for row in result["rows"]))
    names = [Cell(NAMES.get(system, system) if named else system) for system in systems]
    bench = result["command"].startswith("bench")
    ratios: Mapping[str, float] = result.get("ratios_to_plain") or {}
    rows = []
    for measure in dict.fromkeys(row["measure"] for row in result["rows"]):
        here = {row["system"]: row for row in result["rows"] if row["measure"] == measure}
        if bench:
            cells = [Cell(number(here[s]["value"] if s in here else None)) for s in systems]
            rows.append((Cell(measure), *cells, *([Cell(number(ratios.get(measure)))] if ratios else [])))
        else:
            rows.append((Cell(measure), _n(here), *_cells(here, systems, ranked=_more_is_better(result))))
    heads = (title, *names, *([Cell("ratio")] if ratios else [])) if bench else (title, Cell("n"), *names)
    return Table(heads, tuple(rows))


def of_retrieval(results: Sequence[Result], measure: str, *, title: str = "", folder: str = "") -> Table:
    """One measure of several retrieval results: data sets down, systems across.

    With `folder`, each data set links to the file that it is read from.
    """
    systems = list(dict.fromkeys(row["system"] for one in results for row in one["rows"]))
    rows = []
    for one in results:
        here = {row["system"]: row for row in one["rows"] if row["measure"] == measure}
        name = Cell(one["data"]["name"], link=f"{folder}{one['file']}" if folder else "")
        rows.append((name, _n(here), *_cells(here, systems)))
    heads = (Cell(title or measure), Cell("n"), *(Cell(NAMES.get(system, system)) for system in systems))
    return Table(heads, tuple(rows))


def of_ablation(result: Result) -> list[Table]:
    """A table for each measure of each set: variants down, the weight of the vectors across, the best value bold."""
    found = []
    for measure in dict.fromkeys(row["measure"] for row in result["rows"]):
        values: dict[str, dict[str, float]] = {}
        rows = [row for row in result["rows"] if row["measure"] == measure]
        for row in rows:
            variant, weight = row["system"].split(SEPARATOR)
            values.setdefault(variant, {})[weight] = row["value"]
        best, weights = max(row["value"] for row in rows), next(iter(values.values()))
        heads = (Cell(f"{measure} (n={rows[0]['n']:,})"), *(Cell(weight) for weight in weights))
        found.append(Table(heads, tuple(
            (Cell(variant), *(Cell(share(value), best=value == best) for value in by_weight.values()))
            for variant, by_weight in values.items()
        )))  # fmt: skip
    return found


def of_results(results: Sequence[Result], *, folder: str = "") -> list[Table]:
    """The tables of several results: one for each measure of retrieval, one for each other result."""
    retrieval = [one for one in results if one["command"] == "retrieval"]
    found = [
        of_retrieval(retrieval, measure, title=title, folder=folder)
        for measure, title in (SHOWN_OF_RETRIEVAL.items() if retrieval else ())
    ]
    for kind in ("ingest-pages", "answers", "behaviour", "bench"):
        for one in (one for one in results if one["command"].startswith(kind)):
            found.append(of_result(one, title=_title(one, folder), named=True))
    return found


def latencies(found: Mapping[str, Mapping[str, float]]) -> Table:
    """Percentiles of what was timed, in milliseconds."""
    heads = tuple(Cell(head) for head in ("milliseconds", "median", "95%", "n"))
    return Table(heads, tuple(
        (Cell(name), Cell(number(one["p50"])), Cell(number(one["p95"])), Cell(f"{one['n']:.0f}"))
        for name, one in found.items() if one
    ))  # fmt: skip


def by_kind(found: Mapping[str, Mapping[str, float]]) -> Table:
    """The share of right answers by kind of question; for unanswerable kinds that is the share of refusals."""
    rows = ((Cell(kind), Cell(share(one["right"])), Cell(f"{one['n']:.0f}")) for kind, one in found.items())
    return Table((Cell("kind of question"), Cell("right"), Cell("n")), tuple(rows))


def of_editor(section: Mapping[str, Any]) -> Table:
    """The editor's questions: kinds down, then languages and all, with n; measures across, a dash where none counts.

    Of seconds it shows the median and in brackets the 95th percentile, without intervals.
    """
    groups = {**section["by_kind"], **section["by_language"], "all": section["rows"]}
    rows = []
    for name, found in groups.items():
        here = {row["measure"]: row for row in found}
        shares = (figure(here.get(measure)) for measure in _EDITOR_SHARES)
        seconds = (_median_and_95(here, measure) for measure in _EDITOR_SECONDS)
        rows.append((Cell(name), Cell(f"{max(row['n'] for row in found):,}"), *shares, *seconds))
    heads = ("kind of question", "n", *_EDITOR_SHARES.values(), *_EDITOR_SECONDS.values())
    return Table(tuple(map(Cell, heads)), tuple(rows))


# Measures of the editor's questions by their heads, which are short: all columns fit beside each other.
_EDITOR_SHARES = {
    "pass": "pass", "share of facts": "facts", "false and marked supported": "false, supported",
    "answerable refused": "refused", "traps refused or corrected": "traps right",
}  # fmt: skip
_EDITOR_SECONDS = {"seconds to first words": "first words, s", "seconds in total": "in total, s"}


def _median_and_95(here: Mapping[str, Row], measure: str) -> Cell:
    median, most = (here.get(f"{measure}, {part}") for part in ("median", "95%"))
    return Cell(f"{number(median['value'])} ({number(most['value'])})" if median and most else NOTHING)


def share(value: float) -> str:
    """A value from 0 to 1 with three decimals and without the leading 0; 0 and 1 as they are."""
    return f"{value:.0f}" if value in (0, 1) else f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


def number(value: float | None) -> str:
    """A quantity with three significant digits."""
    return NOTHING if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def figure(row: Row | None, *, best: bool = False) -> Cell:
    """The value of a row with its interval, where it has one; a dash without a value."""
    if not row or row["value"] is None:
        return Cell(NOTHING)
    interval = f"[{share(row['low'])}, {share(row['high'])}]" if row["low"] != row["high"] else ""
    return Cell(share(row["value"]), interval, best)


def _cells(here: Mapping[str, Row], systems: Iterable[str], *, ranked: bool = True) -> list[Cell]:
    values = [row["value"] for row in here.values() if row["value"] is not None]
    best = max(values) if ranked and len(values) > 1 else None
    rows = [here.get(system) for system in systems]
    return [figure(row, best=row is not None and best is not None and row["value"] == best) for row in rows]


def _n(here: Mapping[str, Row]) -> Cell:
    return Cell(f"{max((int(row['n']) for row in here.values()), default=0):,}")


def _more_is_better(result: Result) -> bool:
    """Whether a higher value is better in every measure; where it depends on the measure, nothing is shown as best."""
    return not result["command"].startswith("behaviour") or result["command"] == "behaviour trecqa"


def _title(one: Result, folder: str) -> Cell:
    command: str = one["command"]
    if command.startswith("bench"):
        load = (one.get("machine") or {}).get("load")
        title = command + (f" (other processes running at its start: {load:.0f})" if load else "")
    elif command.startswith("behaviour "):
        title = command.removeprefix("behaviour ")
    else:
        title = str(one["data"].get("name", command))
    return Cell(title, link=f"{folder}{one['file']}" if folder else "")
