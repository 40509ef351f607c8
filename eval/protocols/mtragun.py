"""MTRAG-UN (IBM, mt-rag-benchmark): conversations whose last question is answerable, partly so, not, or unclear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eval.datasets import beir as datasets
from eval.experiments import retrieval
from eval.experiments.asking import Measured, Row, Task, World, answerable, ask, by_measure, prediction
from eval.metrics import answers as scores
from rag.assistant import Assistant
from rag.errors import SettingsError

PROTOCOL = (
    "the last question with its history, over the pool of gold passages; refusals by label, and word F1 against the "
    "reference answer of what is answered"
)


def tasks(world: World) -> list[Task]:
    """One task a conversation. Raises SettingsError when the pool of passages is not there."""
    pool = world.corpus or Path(world.file).resolve().parents[1] / "retrieval" / "mtragun_goldpool"
    if not pool.is_dir():
        raise SettingsError(
            f"The conversations need their passages: name the folder mtragun_goldpool with --corpus, not {pool}."
        )
    data = datasets.questions(world.file)
    world.problems.extend(data.problems)
    retrieval.fill(datasets.load(pool), world.opened(), world.embedder, world.out, lambda what, done, total: None)
    assistant = world.assistant()
    return [Task(query.id, _asker(assistant, query)) for query in data.queries.values()]


def _asker(assistant: Assistant, query: datasets.Query) -> Callable[[], Row]:
    def run() -> Row:
        answer, error = ask(assistant, query.text, query.history)
        reference = query.meta.get("reference_answer") or []
        texts = [reference] if isinstance(reference, str) else [str(one) for one in reference]
        return prediction(
            query.id, query.text, answer, references=texts, can_answer=answerable(query.meta), error=error,
            kind=str(query.meta.get("answerability", "")).lower(),
        )  # fmt: skip

    return run


def score(found: Sequence[Row]) -> Measured:
    """Refusals for each label, refusal precision, and word F1 of what was answered."""
    values = []
    for row in found:
        values.append((f"refused ({row['kind']})", row["id"], float(scores.refused(row))))
        if scores.refused(row) and row["answerable"] is not None:
            values.append(("refusal precision", row["id"], float(row["answerable"] is False)))
        if row["answerable"] and scores.text_of(row):
            values.append(("token F1 of answers", row["id"], scores.token_f1({**row, "answers": row["references"]})))
    return by_measure(values)
