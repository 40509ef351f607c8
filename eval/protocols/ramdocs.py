"""RAMDocs (Wang et al. 2025, arXiv 2504.13079): several valid answers, misinformation and noise in the documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction, contains_answer
from eval.protocols.tasks import ByMeasure, Setup, Task, by_measure, tasks_of_lines

PROTOCOL = (
    "all documents of a question at once; exact: every valid answer is contained and no wrong one; also the share of "
    "valid answers given, and how often a wrong one is said"
)


def tasks(setup: Setup) -> list[Task]:
    """One task a question."""
    return tasks_of_lines(setup, lambda line, row: [Task(str(line - 1), _asker(setup, str(line - 1), row))])


def _asker(setup: Setup, key: str, row: Mapping[str, Any]) -> Callable[[], Prediction]:
    documents = {f"{one['type']}-{number}": str(one["text"]) for number, one in enumerate(row["documents"], start=1)}
    answers, wrong = [str(a) for a in row["gold_answers"]], [str(a) for a in row["wrong_answers"]]
    gold = [name for name in documents if name.startswith("correct")]
    question = str(row["question"])
    return lambda: setup.ask_over(
        key, question, documents, answers=answers, articles=gold, can_answer=True, wrong=wrong,
        kind="conflict" if wrong else "no conflict",
    )  # fmt: skip


def score(found: Sequence[Prediction]) -> ByMeasure:
    """How many valid answers are given, and how often misinformation is repeated."""
    values = []
    for row in found:
        text = answer_metrics.text_of(row)
        given = [contains_answer(text, [answer]) for answer in row["answers"]]
        wrong = contains_answer(text, row["wrong"])
        if given:
            values.append(("exact (all valid, none wrong)", row["id"], float(all(given) and not wrong)))
            values.append(("all valid answers", row["id"], float(all(given))))
            values.append(("share of valid answers", row["id"], sum(given) / len(given)))
        if row["wrong"]:
            values.append(("misinformation said", row["id"], wrong))
        values.append(("refused", row["id"], float(answer_metrics.refused(row))))
    return by_measure(values)
