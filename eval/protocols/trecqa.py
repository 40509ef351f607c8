"""TREC QA (Wang et al. 2007): sentences that answer a question, ranked by the retriever and by its two parts."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from hashlib import sha256

from eval.datasets.records import Problem, first_problem
from eval.experiments.predictions import spread
from eval.experiments.retrieval import OURS
from eval.metrics import retrieval as retrieval_metrics
from eval.protocols.tasks import Setup
from eval.reporting import outcome
from eval.reporting.progress import Progress
from eval.systems.vector_cache import QueryVectorCache
from ingest.pipeline import ingest
from rag.answering.retrieval.retriever import Retriever
from rag.errors import SettingsError
from rag.schema import Article

PROTOCOL = (
    "the labelled sentences of each question ranked among themselves; MAP and MRR over questions with both right and "
    "wrong sentences, as is usual since Wang & Ittycheriah 2015; sentences that the search did not return come last"
)
NAMES = {"MAP": "AP@100", "MRR": "RR@10"}


def measure(
    setup: Setup, every: int, limit: int | None, progress: Progress
) -> tuple[outcome.PerQuery, int]:  # fmt: skip
    """System → measure → question → value, and how many questions are left out."""
    labels: dict[str, dict[str, int]] = {}
    texts: dict[str, str] = {}
    with setup.file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            if not (row.get("qtext") and row.get("atext") and str(row.get("label")).isdigit()):
                setup.problems.append(
                    Problem(setup.file.name, reader.line_num, "expected qtext, atext and label; left out")
                )
                continue
            key = sha256(row["atext"].encode()).hexdigest()[:16]
            texts[key] = row["atext"]
            grades = labels.setdefault(row["qtext"], {})
            grades[key] = max(int(row["label"]), grades.get(key, 0))
    wanted = {q: labels[q] for q in spread(list(labels), every, limit) if len(set(labels[q].values())) == 2}
    if not wanted:
        why = first_problem(setup.problems) if setup.problems or not labels else ""
        raise SettingsError(f"{setup.file} has no question with both right and wrong sentences. {why}".strip())
    archive = setup.opened()
    try:
        articles = [Article(id=key, title="", text=text, language="en", source=key) for key, text in texts.items()]
        ingest(articles, archive, setup.embedder)
        settings = setup.settings.model_copy(update={"fetch_k": 2000})
        retriever = Retriever(archive, QueryVectorCache(setup.embedder), settings)
        retriever.embedder.embed_queries(list(wanted))
        return {system: _score(system, wanted, retriever, progress) for system in OURS}, len(labels) - len(wanted)
    finally:
        setup.close()


def _score(
    system: str, wanted: Mapping[str, Mapping[str, int]], retriever: Retriever, progress: Progress
) -> dict[str, dict[str, float]]:  # fmt: skip
    ranked = {}
    for number, (question, grades) in enumerate(wanted.items(), start=1):
        hits = retriever.retrieve(question, top_k=2000, per_article=1, dense_weight=OURS[system])
        found = {hit.passage.article.id: hit.score for hit in hits}
        found |= {copy.id: hit.score for hit in hits for copy in hit.copies}
        order = sorted(grades, key=lambda key: -found.get(key, -1.0))
        ranked[question] = [(key, found.get(key, -1.0)) for key in order]
        progress(system, number, len(wanted))
    relevant = {q: {key: grade for key, grade in grades.items() if grade} for q, grades in wanted.items()}
    scored = retrieval_metrics.score(ranked, relevant, list(NAMES.values()))
    return {ours: scored[theirs] for ours, theirs in NAMES.items()}
