"""TREC QA (Wang et al. 2007): which sentences answer the question? Ranked by the retriever, beside its two halves."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from hashlib import sha256

from eval.datasets.records import Problem, first_problem
from eval.experiments.asking import World, spread
from eval.experiments.retrieval import OURS, RememberingEmbedder
from eval.metrics import retrieval as measures
from eval.reporting import outcome
from ingest.pipeline import ingest
from rag.answering.retriever import Retriever
from rag.errors import SettingsError
from rag.schema import Article

PROTOCOL = (
    "the labelled sentences of each question ranked among themselves; MAP and MRR over questions with both right and "
    "wrong sentences, as is usual since Wang & Ittycheriah 2015; sentences that are not found come last"
)
NAMES = {"MAP": "AP@100", "MRR": "RR@10"}


def measure(
    world: World, every: int, limit: int | None, progress: Callable[[str, int, int], None]
) -> tuple[outcome.PerQuery, int]:  # fmt: skip
    """System → measure → question → value, and the questions left out."""
    labels: dict[str, dict[str, int]] = {}
    texts: dict[str, str] = {}
    with world.file.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        for row in reader:
            if not (row.get("qtext") and row.get("atext") and str(row.get("label")).isdigit()):
                world.problems.append(
                    Problem(world.file.name, reader.line_num, "expected qtext, atext and label; left out")
                )
                continue
            key = sha256(row["atext"].encode()).hexdigest()[:16]
            texts[key] = row["atext"]
            grades = labels.setdefault(row["qtext"], {})
            grades[key] = max(int(row["label"]), grades.get(key, 0))
    wanted = {q: labels[q] for q in spread(list(labels), every, limit) if len(set(labels[q].values())) == 2}
    if not wanted:
        why = first_problem(world.problems) if world.problems or not labels else ""
        raise SettingsError(f"{world.file} has no question with both right and wrong sentences. {why}".strip())
    archive = world.opened()
    try:
        articles = [Article(id=key, title="", text=text, language="en", source=key) for key, text in texts.items()]
        ingest(articles, archive, world.embedder)
        settings = world.settings.model_copy(update={"fetch_k": 2000})
        retriever = Retriever(archive, RememberingEmbedder(world.embedder), settings)
        retriever.embedder.embed_queries(list(wanted))
        return {system: _score(system, wanted, retriever, progress) for system in OURS}, len(labels) - len(wanted)
    finally:
        world.close()


def _score(
    system: str, wanted: Mapping[str, Mapping[str, int]], retriever: Retriever,
    progress: Callable[[str, int, int], None],
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
    scored = measures.score(ranked, relevant, list(NAMES.values()))
    return {ours: scored[theirs] for ours, theirs in NAMES.items()}
