"""The editor's questions put to the demo archive, and their figures over all and by kind: part of `eval demo`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from eval.datasets import editor as editor_set
from eval.datasets.editor import EditorQuestion
from eval.experiments import predictions
from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction
from eval.metrics.statistics import bootstrap
from eval.reporting import outcome
from eval.reporting.outcome import Row, row
from rag.assistant import Assistant
from rag.schema import QuestionKind

PASS, FACTS = "pass", "share of facts"
FALSE, REFUSED = "false and marked supported", "answerable refused"
TRAPS = "traps refused or corrected"
FIRST, FIRST_P95 = "seconds to first words, median", "seconds to first words, 95%"
TOTAL, TOTAL_P95 = "seconds in total, median", "seconds in total, 95%"


def ask(assistant: Assistant, question: EditorQuestion, kind: QuestionKind | None = None) -> Prediction:
    """The answer beside what was expected, as plain data, with the seconds that a reader waits.

    `first_seconds` is when the first quoted or checked sentence or the final refusal is on screen, `total_seconds` when
    the answer is final; both None for a crash. `kind` is the form of answer asked for, None: the question tells.
    """
    began, first, answer, error = time.perf_counter(), None, None, ""
    try:
        for answer in assistant.stream(question.text, history=question.history, today=question.today, kind=kind):
            if first is None and (answer.preview or answer.sentences or answer.final):
                first = time.perf_counter() - began
    except predictions.CRASHES as failure:
        answer, error = None, f"{type(failure).__name__}: {failure}"
    total = time.perf_counter() - began
    found = predictions.prediction(
        question.id, question.text, answer, articles=sorted(question.articles),
        can_answer=question.expects == "answer", error=error, kind=question.kind, language=question.language,
        expects=question.expects, facts=[list(fact.wordings) for fact in question.facts],
        false=[{"says": list(one.says), "unless": list(one.unless)} for one in question.false],
        first_seconds=first if answer else None, total_seconds=total if answer else None,
    )  # fmt: skip
    return {**found, "right": answer_metrics.passes(found)}


def measure(found: Sequence[Prediction], system: str) -> list[Row]:
    """What an editor sees of these answers, each with its interval: accepted, facts, false, refused, seconds."""
    answerable = [one for one in found if one["expects"] == "answer"]
    traps = [one for one in found if one["expects"] != "answer"]
    given = [one for one in found if answer_metrics.text_of(one)]
    first, total = (
        [one[name] for one in found if one[name] is not None] for name in ("first_seconds", "total_seconds")
    )
    return [
        row(PASS, system, [answer_metrics.passes(one) for one in found]),
        row(FACTS, system, [answer_metrics.facts_held(one) for one in answerable]),
        row(FALSE, system, [answer_metrics.tells_false(one) for one in given]),
        row(REFUSED, system, [float(answer_metrics.refused(one)) for one in answerable]),
        row(TRAPS, system, [answer_metrics.passes(one) for one in traps]),
        _statistic(FIRST, system, first, np.median),
        _statistic(FIRST_P95, system, first, _95th),
        _statistic(TOTAL, system, total, np.median),
        _statistic(TOTAL_P95, system, total, _95th),
    ]


def _statistic(measure: str, system: str, values: Sequence[float], statistic: Callable[..., Any]) -> Row:
    if not values:
        return row(measure, system, [])
    low, high = bootstrap([np.asarray(values)], statistic)
    return Row(measure, system, float(statistic(values, axis=-1)), low, high, len(values))


_95th = partial(np.percentile, q=95)


def section(found: Sequence[Prediction], system: str) -> dict[str, Any]:
    """The section of the result as plain data: rows over all, by kind and by language, and the predictions."""

    def by(name: str) -> dict[str, Any]:
        groups = dict.fromkeys(one[name] for one in found)
        return {group: outcome.plain(measure([one for one in found if one[name] == group], system)) for group in groups}

    return {
        "data": {"name": "demo-editor", "digest": editor_set.digest(), "questions": len(found)},
        "rows": outcome.plain(measure(found, system)),
        "by_kind": by("kind"),
        "by_language": by("language"),
        "predictions": [_shortened(one) for one in found],
    }


_LEFT_OUT = ("answerable", "options", "answers")  # said by `expects` and `facts`


def _shortened(one: Prediction) -> dict[str, Any]:
    answer = predictions.shortened(one["answer"]) if one["answer"] else None
    return {name: value for name, value in one.items() if name not in _LEFT_OUT} | {"answer": answer}
