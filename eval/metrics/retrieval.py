"""Retrieval metrics (computed by ir-measures) and TREC run files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Ranked = Sequence[tuple[str, float]]
# In the notation of ir-measures: whether the first article is relevant, reciprocal rank, nDCG (Järvelin & Kekäläinen
# 2002; gain = grade, discount log2(rank + 1)), and recall.
NAMES = ("Success@1", "RR@10", "nDCG@10", "R@10")
DEPTH = 10  # the ranking of every system is cut after so many articles


def score(
    ranked: Mapping[str, Ranked], qrels: Mapping[str, Mapping[str, int]], names: Sequence[str] = NAMES
) -> dict[str, dict[str, float]]:
    """Metric → query → value from 0 to 1, for every query of `qrels`; a query without a ranking has 0."""
    import ir_measures

    run = {query: {a: s for a, s in strictly_falling(ranked.get(query, ()))} for query in qrels}
    measures = [ir_measures.parse_measure(name) for name in names]
    found: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in names}
    labels = {query: dict(grades) for query, grades in qrels.items()}
    for one in ir_measures.iter_calc(measures, labels, run):
        found[str(one.measure)][one.query_id] = float(one.value)
    return found


def hit_at_k(ranked: Sequence[str], relevant: frozenset[str], k: int) -> float:
    """1 when one of the first k is relevant, else 0 (Success@k)."""
    return float(any(one in relevant for one in ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: frozenset[str], k: int = 10) -> float:
    """1/rank of the first relevant among the first k, 0 when there is none (RR@k)."""
    return next((1 / rank for rank, one in enumerate(ranked[:k], start=1) if one in relevant), 0.0)


def strictly_falling(ranked: Ranked) -> list[tuple[str, float]]:
    """The ranking with scores that fall by at least 1e-6: trec_eval sorts by score and breaks ties by id."""
    falling: list[tuple[str, float]] = []
    for article, value in ranked:
        least = falling[-1][1] - 1e-6 if falling else float("inf")
        falling.append((article, round(min(value, least), 6)))
    return falling


def write_run(path: Path, ranked: Mapping[str, Ranked], system: str) -> None:
    """A TREC run file: query Q0 article rank score system."""
    with path.open("w", encoding="utf-8") as stream:
        for query, found in ranked.items():
            for rank, (article, value) in enumerate(strictly_falling(found), start=1):
                # Columns are separated by spaces, so an id must not contain any.
                stream.write(f"{_column(query)} Q0 {_column(article)} {rank} {value:.6f} {system}\n")


def read_run(lines: Iterable[str]) -> dict[str, dict[str, float]]:
    """Query → article → score of a TREC run file."""
    run: dict[str, dict[str, float]] = {}
    for line in lines:
        query, _, article, _, value, _ = line.split()
        run.setdefault(query, {})[article] = float(value)
    return run


def _column(text: str) -> str:
    return "_".join(text.split())
