"""`python -m eval answers`: every question through `Assistant.ask`, scored against the labels that the set has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.datasets.beir import Dataset, Query
from eval.experiments import asking, retrieval
from eval.metrics import answers as scores
from eval.metrics.judge import Judge
from eval.reporting import outcome
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.assistant import Assistant
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.settings import Settings

Progress = Callable[[str, int, int], None]
_ALL = "answer contains gold", "exact match", "token F1"


def run(
    data: Dataset, out: Path, settings: Settings, embedder: Embedder, llm: LLM | None, *,
    archive_dir: Path | None = None, every: int = 1, limit: int | None = None, judge: Judge | None = None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:  # fmt: skip
    """Asks, writes `out`/predictions.jsonl line by line, scores and returns the result.

    Ingests the corpus into `out`/archive, or asks the archive at `archive_dir` as it is. A second call with the same
    data, settings and code asks only what is missing.
    """
    began = time.perf_counter()
    settings = settings.model_copy(update={"data_dir": archive_dir or out / "archive"})
    queries = [data.queries[key] for key in asking.spread(list(data.queries), every, limit)]
    with closing(Archive(settings)) as archive:
        if archive_dir is None:
            retrieval.fill(data, archive, embedder, out, progress)
        assistant = Assistant(archive, embedder, llm, settings)
        assistant.warm_up()
        key = [data.digest, outcome.code_digest("rag", "ingest"), assistant.model, outcome.public(settings)]
        found = asking.journal(
            out / asking.PREDICTIONS, json.dumps(key), [(q.id, _asker(assistant, data, q)) for q in queries],
            lambda done: progress("answers", done, len(queries)),
        )  # fmt: skip
        per_query = score(found, assistant.model, archive.catalog)
        judged = _judged(found, judge, progress)
        if judged:
            per_query[assistant.model]["judged right"] = judged
        return outcome.save(
            out, "answers", outcome.rows_of(per_query), per_query, data=data.describe(), settings=settings,
            model=assistant.model, judge=judge.describe() if judge else "", left_out=_left_out(found),
            crashed=asking.crashes(assistant.model, found), seconds=time.perf_counter() - began, **summaries(found),
        )  # fmt: skip


def _asker(assistant: Assistant, data: Dataset, query: Query) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        answer, error = asking.ask(assistant, query.text, query.history)
        return asking.prediction(
            query.id, query.text, answer, answers=query.answers, options=query.options,
            articles=sorted(data.qrels.get(query.id, ())), can_answer=asking.answerable(query.meta), error=error,
            kind=str(query.meta.get("kind", "")),
        )  # fmt: skip

    return ask


def score(found: Sequence[Mapping[str, Any]], system: str, catalog: Catalog) -> outcome.PerQuery:
    """System → measure → question → value. Each measure covers the questions that it can be taken on."""
    measures: dict[str, dict[str, float]] = {}

    def note(measure: str, one: Mapping[str, Any], value: float, part: str = "") -> None:
        measures.setdefault(measure, {})[f"{one['id']}{part}"] = value

    for one in found:
        if one["right"] is not None:
            note("right", one, one["right"])
        if one["answers"] and one["answerable"] is not False:
            for name, scorer in zip(_ALL, (scores.contains, scores.exact_match, scores.token_f1), strict=True):
                note(name, one, scorer(one))
            if one["options"]:
                note("choice accuracy", one, scores.choice(one))
        if one["articles"] and one["answer"] and one["answer"]["answered"]:
            note("citation recall", one, scores.citation_recall(one))
            note("citation precision", one, scores.citation_precision(one))
        if one["answer"]:
            note("stray markers", one, float(one["answer"]["stray_markers"]))
            for number, value in enumerate(scores.verbatim(one, stored_texts(one, catalog))):
                note("quotes verbatim", one, value, f"#{number}")
        _note_refusal(one, note)
    return {system: measures}


def _note_refusal(one: Mapping[str, Any], note: Callable[..., None]) -> None:
    """Refusal recall: unanswerable questions refused. Precision: refused questions that are unanswerable."""
    if one["answerable"] is None:
        return
    if not one["answerable"]:
        note("refusal recall", one, float(scores.refused(one)))
    else:
        note("answered (answerable)", one, float(bool(one["answer"]) and not scores.refused(one)))
    if scores.refused(one):
        note("refusal precision", one, float(not one["answerable"]))


def stored_texts(one: Mapping[str, Any], catalog: Catalog) -> dict[str, str]:
    """Article id → its stored text, of the articles that a prediction cites; empty where the question crashed."""
    ids = {citation["article_id"] for citation in (one["answer"] or {}).get("citations", ())}
    return {key: article.text for key in ids if (article := catalog.article(key))}


def _judged(found: Sequence[Mapping[str, Any]], judge: Judge | None, progress: Progress) -> dict[str, float]:
    if judge is None:
        return {}
    grades = {}
    wanted = [one for one in found if one["answers"] and one["answerable"] is not False]
    for number, one in enumerate(wanted, start=1):
        grade = judge.right(one)
        if grade is not None:
            grades[one["id"]] = grade
        progress("judge", number, len(wanted))
    return grades


def _left_out(found: Sequence[Mapping[str, Any]]) -> int:
    """Questions without any label to score by."""
    return sum(one["right"] is None for one in found)


def summaries(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Right answers by kind of question, reliability of verdicts, and latencies."""
    labelled = [one for one in found if one["right"] is not None]
    kinds = dict.fromkeys(one.get("kind") or "" for one in labelled)
    by_kind = {k: [one["right"] for one in labelled if (one.get("kind") or "") == k] for k in kinds if k}
    names = {"to sources": "retrieve_ms", "to first word": "first_token_ms", "in total": "total_ms"}
    times = {
        name: [t for one in found if one["answer"] and (t := one["answer"]["timings"][key]) is not None]
        for name, key in names.items()
    }
    return {
        "by_kind": {k: {"right": sum(v) / len(v), "n": len(v)} for k, v in by_kind.items()},
        "reliability": reliability(labelled),
        "latency_ms": {name: retrieval.percentiles(values) for name, values in times.items()},
        "latencies_ms": {name: values for name, values in times.items() if values},
    }


def reliability(found: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """For answers with none, some and all sentences marked as supported: the mean share, right answers, and n."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for one in found:
        sentences = one["answer"]["sentences"] if one["answer"] and one["answer"]["answered"] else []
        if sentences and one["answerable"] is not False:
            share = sum(s["verdict"] == "supported" for s in sentences) / len(sentences)
            bins.setdefault(int(share) + (share > 0), []).append((share, one["right"]))
    return [
        {"claimed": sum(s for s, _ in b) / len(b), "right": sum(r for _, r in b) / len(b), "n": len(b)}
        for _, b in sorted(bins.items())
    ]
