"""MTRAG-UN (IBM, mt-rag-benchmark): conversations whose last question is answerable, or partly, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eval.datasets import beir
from eval.experiments import retrieval
from eval.experiments.predictions import answerable, ask, day_asked, prediction
from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction
from eval.protocols.tasks import ByMeasure, Setup, Task, by_measure
from eval.reporting.progress import silent
from rag.assistant import Assistant
from rag.errors import SettingsError

PROTOCOL = (
    "the last question with its history, over the pool of gold passages; refusals by label, and word F1 against the "
    "reference answer where there is an answer"
)


def tasks(setup: Setup) -> list[Task]:
    """One task a conversation. Raises SettingsError when the pool of passages is not there."""
    pool = setup.corpus or Path(setup.file).resolve().parents[1] / "retrieval" / "mtragun_goldpool"
    if not pool.is_dir():
        raise SettingsError(
            f"The conversations need their passages: name the folder mtragun_goldpool with --corpus, not {pool}."
        )
    data = beir.questions(setup.file)
    setup.problems.extend(data.problems)
    retrieval.fill(beir.load(pool), setup.opened(), setup.embedder, setup.out, silent)
    assistant = setup.assistant()
    return [Task(query.id, _asker(assistant, query)) for query in data.queries.values()]


def _asker(assistant: Assistant, query: beir.Query) -> Callable[[], Prediction]:
    def run() -> Prediction:
        answer, error = ask(assistant, query.text, query.history, day_asked(query.meta))
        reference = query.meta.get("reference_answer") or []
        texts = [reference] if isinstance(reference, str) else [str(one) for one in reference]
        return prediction(
            query.id, query.text, answer, references=texts, can_answer=answerable(query.meta), error=error,
            kind=str(query.meta.get("answerability", "")).lower(),
        )  # fmt: skip

    return run


def score(found: Sequence[Prediction]) -> ByMeasure:
    """Refusals by label, refusal precision, and word F1 of the answers."""
    values = []
    unanswerable = any(row["answerable"] is False for row in found)
    for row in found:
        if row["kind"]:
            values.append((f"refused ({row['kind']})", row["id"], float(answer_metrics.refused(row))))
        if unanswerable and answer_metrics.refused(row) and row["answerable"] is not None:
            values.append(("refusal precision", row["id"], float(row["answerable"] is False)))
        if row["answerable"] and row["references"] and answer_metrics.text_of(row):
            referred = {**row, "answers": row["references"]}
            values.append(("token F1 of answers", row["id"], answer_metrics.token_f1(referred)))
    return by_measure(values)
