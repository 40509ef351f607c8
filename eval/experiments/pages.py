"""`python -m eval ingest-pages`: how well pages become articles, beside plain trafilatura.

Reads the public article-extraction-benchmark (ground-truth.json, html/*.html.gz), and newspaper4k's pages
(html/, txt/, metadata/) for titles and days. Does not measure: pages without an article, speed, bylines.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from eval.datasets.records import digest
from eval.metrics.statistics import bootstrap
from eval.reporting import outcome
from eval.reporting.progress import Progress, silent
from ingest.readers.files import ReadOptions, Rejected, read
from rag.errors import SettingsError
from rag.language.tokens import fold

SHINGLE = 4
OURS, PLAIN = "dateline", "plain-trafilatura"


@dataclass(frozen=True, slots=True)
class Page:
    """A saved page and its labels: text None, title "" or day None where the set has no label."""

    id: str
    file: Path
    text: str | None
    title: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a system extracted from a page."""

    text: str = ""
    title: str = ""
    day: date | None = None
    error: str = ""


def load(folder: Path) -> list[Page]:
    """The pages of a set. Raises SettingsError when the folder is neither of the two."""
    if (folder / "ground-truth.json").is_file():
        truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
        pages = [
            Page(key, folder / "html" / f"{key}.html.gz", one.get("articleBody", "")) for key, one in truth.items()
        ]
    elif (folder / "metadata").is_dir() and (folder / "html").is_dir():
        pages = [_newspaper(path, folder) for path in sorted((folder / "metadata").glob("*.json"))]
    else:
        raise SettingsError(f"{folder} has neither ground-truth.json nor html/ and metadata/.")
    found = [page for page in pages if page.file.is_file()]
    if not found:
        raise SettingsError(f"{folder} has labels, but none of their pages under html/.")
    return found


def _newspaper(path: Path, folder: Path) -> Page:
    """The labels of newspaper4k: the output of that program, its texts corrected by hand."""
    labels = json.loads(path.read_text(encoding="utf-8"))
    text = folder / "txt" / f"{path.stem}.txt"
    published = labels.get("publish_date")
    return Page(
        id=path.stem,
        file=folder / "html" / f"{path.stem}.html",
        text=text.read_text(encoding="utf-8") if text.is_file() else None,
        title=labels.get("title") or "",
        day=datetime.fromisoformat(published).date() if published else None,
    )


def ours(page: Page) -> Extracted:
    """What the reader of Dateline extracts; a rejected page has no text."""
    found = next(iter(read([page.file], ReadOptions())), None)
    if found is None or isinstance(found, Rejected):
        return Extracted(error=found.message if found else "nothing was read")
    return Extracted(found.text, found.title, found.day)


def plain(page: Page) -> Extracted:
    """What trafilatura extracts with its defaults."""
    from eval.systems.baselines import plain_trafilatura

    return Extracted(*plain_trafilatura(_markup(page.file)))


def _markup(path: Path) -> str:
    packed = path.read_bytes()
    return (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8", "replace")


def shingle_scores(true: str, predicted: str) -> tuple[float | None, float | None]:
    """Precision and recall of a page's runs of 4 words, each None where its denominator is 0.

    precision = matched / predicted, recall = matched / true, counted with repetition: tp / (tp + fp) and
    tp / (tp + fn) of scrapinghub/article-extraction-benchmark, evaluate.py. A text of fewer words is one run.
    """
    wanted, found = _shingles(true), _shingles(predicted)
    matched = (wanted & found).total()
    return (
        matched / found.total() if found else None,
        matched / wanted.total() if wanted else None,
    )


def _shingles(text: str) -> Counter[tuple[str, ...]]:
    words = re.findall(r"\w+", text)
    if not words:
        return Counter()
    return Counter(tuple(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1)))


def f1_row(system: str, precision: Sequence[float | None], recall: Sequence[float | None]) -> outcome.Row:
    """The benchmark's F1: harmonic mean of the mean precision and the mean recall; bootstrap over pages."""
    p = np.array([np.nan if v is None else v for v in precision], dtype=np.float64)
    r = np.array([np.nan if v is None else v for v in recall], dtype=np.float64)
    low, high = bootstrap([p, r], _f1)
    return outcome.Row("text F1", system, float(_f1(p, r)), low, high, len(p))


def _f1(precision: np.ndarray, recall: np.ndarray, axis: int = -1) -> np.ndarray:
    """Along an axis; 0 where every precision or every recall is nan, or both means are 0."""
    p, r = (_mean(values, axis) for values in (precision, recall))
    return np.asarray(np.where(p + r > 0, 2 * p * r / np.where(p + r > 0, p + r, 1), 0.0))


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of the values that are not nan; 0 without any."""
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(axis=axis) / np.maximum(known.sum(axis=axis), 1))


def run(folder: Path, out: Path, progress: Progress = silent) -> dict[str, Any]:
    """Measures both systems on every page, writes into `out`, returns the result."""
    began = time.perf_counter()
    pages = load(folder)
    rows: list[outcome.Row] = []
    per_query: outcome.PerQuery = {}
    crashed: dict[str, dict[str, str]] = {}
    for system, extract in ((OURS, ours), (PLAIN, plain)):
        found: dict[str, Extracted] = {}
        for number, page in enumerate(pages, start=1):
            found[page.id] = _read(extract, page)
            progress(system, number, len(pages))
        per_query[system] = _values(pages, found)
        scores = [shingle_scores(page.text, found[page.id].text) for page in pages if page.text is not None]
        if scores:
            rows.append(f1_row(system, [p for p, _ in scores], [r for _, r in scores]))
        if errors := {key: one.error for key, one in found.items() if one.error}:
            crashed[system] = errors
    labels = [folder / "ground-truth.json", *sorted((folder / "metadata").glob("*.json")), *(p.file for p in pages)]
    data = {"name": folder.resolve().name, "digest": digest(labels), "pages": len(pages)}
    measured = {s: {m: v for m, v in by.items() if m != "page F1"} for s, by in per_query.items()}
    return outcome.save(
        out, "ingest-pages", [*rows, *outcome.rows_of(measured)], per_query, data=data, crashed=crashed,
        systems=[OURS, PLAIN], seconds=time.perf_counter() - began,
    )  # fmt: skip


def _read(extract: Callable[[Page], Extracted], page: Page) -> Extracted:
    try:
        return extract(page)
    except Exception as error:  # whatever a parser raises, the page counts as a miss
        return Extracted(error=f"{type(error).__name__}: {error}")


def _values(pages: Sequence[Page], found: Mapping[str, Extracted]) -> dict[str, dict[str, float]]:
    """Measure → page → value, each measure over the pages on which it is defined."""
    measures: dict[str, dict[str, float]] = {
        m: {} for m in ("text precision", "text recall", "page F1", "title", "day")
    }
    for page in pages:
        one = found[page.id]
        if page.text is not None:
            p, r = shingle_scores(page.text, one.text)
            if p is not None:
                measures["text precision"][page.id] = p
            if r is not None:
                measures["text recall"][page.id] = r
            measures["page F1"][page.id] = 2 * p * r / (p + r) if p and r else 0.0
        if page.title:
            measures["title"][page.id] = float(_same_title(page.title, one.title))
        if page.day:
            measures["day"][page.id] = float(one.day == page.day)
    return {name: values for name, values in measures.items() if values}


def _same_title(one: str, other: str) -> bool:
    """Whether two titles are equal apart from case, accents, spaces and punctuation."""
    return re.findall(r"\w+", fold(one)) == re.findall(r"\w+", fold(other))
