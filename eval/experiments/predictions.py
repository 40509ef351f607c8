"""Questions put to the assistant, and the prediction that is kept of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

from eval.datasets.demo import UNANSWERABLE_KINDS
from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction
from eval.metrics.statistics import SEED
from rag.assistant import Assistant
from rag.errors import DatelineError
from rag.interfaces.json import answer_data
from rag.schema import Answer, Turn

HITS_KEPT = 5
# Errors that count as a crash of one question instead of ending the run: those that a user could meet, and bugs that
# unusual input brings to light.
CRASHES = (DatelineError, ValueError, LookupError, TypeError, RuntimeError, AttributeError)


def day_asked(meta: Mapping[str, Any]) -> date | None:
    """The day on which a question was asked: `meta.date`, such as 2025-03-01 or 2025/03/01; None without one."""
    try:
        day = date.fromisoformat(str(meta.get("date", "")).replace("/", "-")[:10])
    except ValueError:
        return None
    return day if day.year >= 1000 else None


def answerable(meta: Mapping[str, Any]) -> bool | None:
    """Whether the archive answers a question, by its labels; None when they do not say."""
    if "kind" in meta:
        return meta["kind"] not in UNANSWERABLE_KINDS
    if "answerability" in meta:
        return {"ANSWERABLE": True, "PARTIAL": True, "UNANSWERABLE": False}.get(str(meta["answerability"]))
    if "answer_in_own_results" in meta:
        # False says nothing: another article of the corpus may still answer.
        return bool(meta["answer_in_own_results"]) or None
    return None


def prediction(
    key: str, question: str, answer: Answer | None, *, answers: Sequence[str] = (), options: Sequence[str] = (),
    articles: Sequence[str] = (), can_answer: bool | None = None, error: str = "", **more: Any,
) -> Prediction:  # fmt: skip
    """The answer beside what was expected, as plain data; `right` is None without a label to judge by."""
    found = {
        "id": key, "question": question, "answers": list(answers), "options": list(options),
        "articles": list(articles), "answerable": can_answer, "error": error, **more,
        "answer": answer_data(replace(answer, hits=answer.hits[:HITS_KEPT])) if answer else None,
    }  # fmt: skip
    labelled = bool(answers) or can_answer is False
    return found | {"right": answer_metrics.right(found) if labelled else None}


_LEFT_OUT = ("question", "hits", "coverage", "model")  # of an answer: repeated elsewhere, or long


def shortened(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a published result keeps of an answer, for reading the misses."""
    return {name: value for name, value in answer.items() if name not in _LEFT_OUT}


def ask(
    assistant: Assistant, question: str, history: Sequence[Turn] = (), today: date | None = None
) -> tuple[Answer | None, str]:
    """The answer and "", or None and the error of a crash. `today` as for `Assistant.ask`."""
    try:
        return assistant.ask(question, history=history, today=today), ""
    except CRASHES as error:
        return None, f"{type(error).__name__}: {error}"


def crashes(system: str, found: Sequence[Prediction]) -> dict[str, dict[str, str]]:
    """System → question → error, of the questions that crashed; empty when none did."""
    errors = {str(one["id"]): str(one["error"]) for one in found if one["error"]}
    return {system: errors} if errors else {}


def spread(keys: Sequence[str], every: int = 1, limit: int | None = None) -> list[str]:
    """A sample of 1 in `every` keys, at most `limit`, in their order and the same in every run.

    The keys are cut into as many equal stretches, and one is drawn at random from each: a fixed step could coincide
    with a period in the data.
    """
    count = min(-(-len(keys) // max(every, 1)), limit or len(keys))
    if count >= len(keys):
        return list(keys)
    random, n = Random(SEED), len(keys)
    return [keys[random.randrange(i * n // count, (i + 1) * n // count)] for i in range(count)]
