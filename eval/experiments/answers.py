"""`python -m eval answers`: every question through `Assistant.ask`, scored against the labels of the data set."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from eval.datasets.beir import Dataset, Query
from eval.experiments import predictions, retrieval
from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction
from eval.metrics.judge import Judge
from eval.metrics.statistics import percentiles
from eval.reporting import journal, outcome
from eval.reporting.progress import Progress, silent
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.assistant import Assistant
from rag.models.chat import LLM
from rag.models.embeddings import Embedder
from rag.settings import Settings

_ALL = {
    "answer contains gold": answer_metrics.contains,
    "answer contains gold, lenient": answer_metrics.contains_leniently,
    "exact match": answer_metrics.exact_match,
    "token F1": answer_metrics.token_f1,
}


def run(
    data: Dataset, out: Path, settings: Settings, embedder: Embedder, llm: LLM | None, *,
    archive_dir: Path | None = None, every: int = 1, limit: int | None = None, judge: Judge | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """Asks, writes `out`/predictions.jsonl line by line, scores and returns the result.

    Ingests the corpus into `out`/archive, or asks the archive at `archive_dir` as it is. A second call with the same
    data, settings and code asks only what is missing.
    """
    began = time.perf_counter()
    settings = settings.model_copy(update={"data_dir": archive_dir or out / "archive", "catalog": ""})
    queries = [data.queries[key] for key in predictions.spread(list(data.queries), every, limit)]
    with closing(Archive(settings)) as archive:
        if archive_dir is None:
            retrieval.fill(data, archive, embedder, out, progress)
        assistant = Assistant(archive, embedder, llm, settings)
        assistant.warm_up()
        key = [data.digest, outcome.code_digest("rag", "ingest"), assistant.model, outcome.public(settings)]
        found = journal.resume(
            out / journal.PREDICTIONS, json.dumps(key), [(q.id, _asker(assistant, data, q)) for q in queries],
            name="answers", progress=progress,
        )  # fmt: skip
        per_query = score(found, assistant.model, archive.catalog)
        judged = _judged(found, judge, progress)
        if judged:
            per_query[assistant.model]["judged right"] = judged
        return outcome.save(
            out, "answers", outcome.rows_of(per_query), per_query, data=data.describe(), settings=settings,
            model=assistant.model, judge=judge.describe() if judge else "", left_out=_left_out(found),
            crashed=predictions.crashes(assistant.model, found), seconds=time.perf_counter() - began,
            **summaries(found),
        )  # fmt: skip


def _asker(assistant: Assistant, data: Dataset, query: Query) -> Callable[[], Prediction]:
    def ask() -> Prediction:
        answer, error = predictions.ask(assistant, query.text, query.history, predictions.day_asked(query.meta))
        return predictions.prediction(
            query.id, query.text, answer, answers=query.answers, options=query.options,
            articles=sorted(data.qrels.get(query.id, ())), can_answer=predictions.answerable(query.meta), error=error,
            kind=str(query.meta.get("kind", "")),
        )  # fmt: skip

    return ask


def score(found: Sequence[Prediction], system: str, catalog: Catalog) -> outcome.PerQuery:
    """System → measure → question → value, each measure over the questions on which it is defined."""
    measures: dict[str, dict[str, float]] = {}

    def note(measure: str, one: Prediction, value: float, part: str = "") -> None:
        measures.setdefault(measure, {})[f"{one['id']}{part}"] = value

    unanswerable = any(one["answerable"] is False for one in found)
    for one in found:
        if one["right"] is not None:
            note("right", one, one["right"])
            note("right, lenient", one, answer_metrics.right_leniently(one))
        if one["answers"] and one["answerable"] is not False:
            for name, metric in _ALL.items():
                note(name, one, metric(one))
            if one["options"]:
                note("choice accuracy", one, answer_metrics.choice(one))
        if one["articles"] and one["answer"] and one["answer"]["answered"]:
            note("citation recall", one, answer_metrics.citation_recall(one))
            note("citation precision", one, answer_metrics.citation_precision(one))
        if one["answer"]:
            note("stray markers", one, float(one["answer"]["stray_markers"]))
            for number, value in enumerate(answer_metrics.verbatim(one, stored_texts(one, catalog))):
                note("quotes verbatim", one, value, f"#{number}")
        _note_refusal(one, note, precision=unanswerable)
    return {system: measures}


def _note_refusal(one: Prediction, note: Callable[..., None], *, precision: bool) -> None:
    """Refusal recall: unanswerable questions refused. Precision: refused questions that are unanswerable.

    Precision means something only where some of the questions are labelled as unanswerable.
    """
    if one["answerable"] is None:
        return
    if not one["answerable"]:
        note("refusal recall", one, float(answer_metrics.refused(one)))
    else:
        note("answered (answerable)", one, float(bool(one["answer"]) and not answer_metrics.refused(one)))
    if precision and answer_metrics.refused(one):
        note("refusal precision", one, float(not one["answerable"]))


def stored_texts(one: Prediction, catalog: Catalog) -> dict[str, str]:
    """Article id → stored text, of the articles that a prediction cites; empty for a crash."""
    ids = {citation["article_id"] for citation in (one["answer"] or {}).get("citations", ())}
    return {key: article.text for key in ids if (article := catalog.article(key))}


def _judged(found: Sequence[Prediction], judge: Judge | None, progress: Progress) -> dict[str, float]:
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


def _left_out(found: Sequence[Prediction]) -> int:
    """The number of questions without a label to judge by."""
    return sum(one["right"] is None for one in found)


def summaries(found: Sequence[Prediction]) -> dict[str, Any]:
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
        "latency_ms": {name: percentiles(values) for name, values in times.items()},
        "latencies_ms": {name: values for name, values in times.items() if values},
    }


def reliability(found: Sequence[Prediction]) -> list[dict[str, float]]:
    """For answers with no, some and only supported sentences: mean supported share, share of right answers, and n."""
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
