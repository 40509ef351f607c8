"""RAMDocs (Wang et al. 2025, arXiv 2504.13079): several valid answers, misinformation and noise in the documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval.experiments.asking import Measured, Row, Task, World, by_measure, tasks_of_lines
from eval.metrics import answers as scores
from eval.metrics.statistics import contains_answer

PROTOCOL = (
    "all documents of a question at once; exact: every valid answer is contained and no wrong one; also the share of "
    "valid answers given, and how often a wrong one is said"
)


def tasks(world: World) -> list[Task]:
    """One task a question."""
    return tasks_of_lines(world, lambda line, row: [Task(str(line - 1), _asker(world, str(line - 1), row))])


def _asker(world: World, key: str, row: Mapping[str, Any]) -> Callable[[], Row]:
    documents = {f"{one['type']}-{number}": str(one["text"]) for number, one in enumerate(row["documents"], start=1)}
    answers, wrong = [str(a) for a in row["gold_answers"]], [str(a) for a in row["wrong_answers"]]
    gold = [name for name in documents if name.startswith("correct")]
    question = str(row["question"])
    return lambda: world.ask_over(
        key, question, documents, answers=answers, articles=gold, can_answer=True, wrong=wrong,
        kind="conflict" if wrong else "no conflict",
    )  # fmt: skip


def score(found: Sequence[Row]) -> Measured:
    """Valid answers against misinformation."""
    values = []
    for row in found:
        said = scores.text_of(row)
        given = [contains_answer(said, [answer]) for answer in row["answers"]]
        lied = contains_answer(said, row["wrong"])
        values.append(("exact (all valid, none wrong)", row["id"], float(all(given) and not lied)))
        values.append(("all valid answers", row["id"], float(all(given))))
        values.append(("share of valid answers", row["id"], sum(given) / len(given) if given else 0.0))
        if row["wrong"]:
            values.append(("misinformation said", row["id"], lied))
        values.append(("refused", row["id"], float(scores.refused(row))))
    return by_measure(values)
