"""RGB (Chen et al. 2023, arXiv 2309.01431): noise, refusal and counterfactuals over five passages."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction, contains_answer
from eval.metrics.statistics import SEED
from eval.protocols.tasks import ByMeasure, Setup, Task, by_measure, tasks_of_lines

PASSAGES = 5
NOISE = (0.0, 0.2, 0.4, 0.6, 0.8)
PROTOCOL = (
    "five passages in shuffled order; noise: that share of them unrelated, right when every part of the answer is "
    "contained (lenient: also with its numbers written in another way); refusal: all unrelated; counterfactual: up to "
    "three passages with the altered fact, the rest unrelated, measured is whether the true, the altered or no answer "
    "is given"
)


def tasks(setup: Setup) -> list[Task]:
    """Up to seven tasks for each question: five noise levels, unrelated passages only, and altered passages.

    Only the sets of facts have altered passages.
    """
    return tasks_of_lines(setup, lambda number, row: _tasks(setup, row))


def _tasks(setup: Setup, row: Mapping[str, Any]) -> list[Task]:
    settings = [(f"noise {rate:.1f}", noisy(row, rate)) for rate in NOISE]
    settings.append(("refusal", row["negative"][:PASSAGES]))
    if altered := row.get("positive_wrong", ())[:3]:
        settings.append(("counterfactual", [*altered, *row["negative"][: PASSAGES - len(altered)]]))
    return [
        Task(f"{row['id']} {name}", _asker(setup, row, name, texts), group=str(row["id"])) for name, texts in settings
    ]


def noisy(row: Mapping[str, Any], rate: float) -> list[str]:
    """ceil(5 · rate) unrelated passages, the rest supporting; where one kind runs out, the other fills up."""
    unrelated = min(math.ceil(PASSAGES * rate), len(row["negative"]))
    supporting = min(PASSAGES - unrelated, len(row["positive"]))
    return [*row["positive"][:supporting], *row["negative"][: PASSAGES - supporting]]


def _asker(setup: Setup, row: Mapping[str, Any], setting: str, texts: Sequence[str]) -> Callable[[], Prediction]:
    shuffled = [_text(text) for text in texts]
    random.Random(f"{SEED} {row['id']} {setting}").shuffle(shuffled)
    documents = {f"p{number}": text for number, text in enumerate(shuffled, start=1)}
    labels = {"answers": _flat(row["answer"]), "parts": parts(row["answer"]), "fake": _flat(row.get("fakeanswer", []))}
    key, question = f"{row['id']} {setting}", _text(row["query"])
    return lambda: setup.ask_over(key, question, documents, kind=setting, can_answer=setting != "refusal", **labels)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, not {value!r:.40}")
    return value


def parts(answer: Any) -> list[list[str]]:
    """The parts that an answer must contain, each as a list of accepted wordings; a text is an answer of one part."""
    if not isinstance(answer, list):
        return [[str(answer)]]
    return [[str(one) for one in part] if isinstance(part, list) else [str(part)] for part in answer]


def _flat(answer: Any) -> list[str]:
    return [wording for part in parts(answer) for wording in part]


def holds_all(row: Prediction, contains: Callable[[str, Sequence[str]], float] = contains_answer) -> float:
    """1 when the answer contains each part in one of its wordings."""
    text = answer_metrics.text_of(row)
    return float(bool(text) and all(contains(text, part) for part in row["parts"]))


def score(found: Sequence[Prediction]) -> ByMeasure:
    """Accuracy at each noise level, refusals, and the answers when the passages are altered."""
    values = []
    for row in found:
        setting, labelled = row["kind"], any(map(str.strip, row["answers"]))
        if setting == "refusal":
            values.append(("refusal", row["id"], float(answer_metrics.refused(row))))
        elif setting == "counterfactual":
            if labelled:
                values.append(("counterfactual: true answer", row["id"], holds_all(row)))
            if row["fake"]:
                fake = contains_answer(answer_metrics.text_of(row), row["fake"])
                values.append(("counterfactual: altered answer", row["id"], fake))
            values.append(("counterfactual: refused", row["id"], float(answer_metrics.refused(row))))
        elif labelled:
            values.append((f"accuracy, {setting}", row["id"], holds_all(row)))
            lenient = holds_all(row, answer_metrics.contains_answer_leniently)
            values.append((f"accuracy, {setting}, lenient", row["id"], lenient))
    return by_measure(values)
