"""`python -m eval ablation-answers`: what each part of answering without a model is worth to an editor.

The editor's questions are put to the demo archive with one part off at a time. A part is a constant of the product that
is set to what leaves it out, or the kind of answer that the caller may ask for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, get_args

from eval.datasets import editor as editor_set
from eval.datasets.editor import EditorQuestion
from eval.experiments import editor, predictions
from eval.experiments.demo import fill_archive
from eval.metrics.answers import Prediction
from eval.reporting import outcome
from eval.reporting.progress import Progress, silent
from rag.answering import answerability, sentence_selection
from rag.answering.compose import composer
from rag.answering.extraction import quotations
from rag.assistant import Assistant
from rag.schema import QuestionKind
from rag.settings import Settings

AS_SHIPPED = "as shipped"
NEVER = 9.0  # a share of the best score that nothing reaches


@dataclass(frozen=True, slots=True)
class PartOff:
    """The product with one part off: `constants` as (module, name, value) are set meanwhile, and `kind` gives the kind
    of answer that is asked for, None: the question tells."""

    name: str
    constants: tuple[tuple[ModuleType, str, Any], ...] = ()
    kind: Callable[[EditorQuestion], QuestionKind | None] = lambda _: None


def _as_labelled(question: EditorQuestion) -> QuestionKind | None:
    """The kind that the writer of the question gave it, where it is one of the product's."""
    return next((kind for kind in get_args(QuestionKind) if kind == question.kind), None)


VARIANTS = (
    PartOff(AS_SHIPPED),
    PartOff("no composers", ((composer, "COMPOSERS", {}),)),
    PartOff("kinds as the writer labels them", kind=_as_labelled),
    PartOff("no learned relevance of sentences", ((sentence_selection, "RELEVANCE", 0.0),)),
    PartOff("three sentences at most", ((quotations, "SHARE_OF_MORE", NEVER),)),
    PartOff("the newest not preferred", ((quotations, "NEWEST", 0.0), (quotations, "OF_ANOTHER_TIME", NEVER))),
    PartOff("nothing refused as unlikely", ((answerability, "LEAST_PROBABILITY", 0.0),)),
    PartOff("refused below .3", ((answerability, "LEAST_PROBABILITY", 0.3),)),
)


def run(settings: Settings, *, every: int = 1, progress: Progress = silent) -> dict[str, Any]:
    """The figures of each variant as plain data, without predictions; `settings` name no language model."""
    outcome.provenance()
    began = time.perf_counter()
    fill_archive(settings)
    questions = editor_set.load()[::every]
    rows: list[outcome.Row] = []
    asked: list[Prediction] = []
    with Assistant.open(settings=settings, with_llm=False) as assistant:
        assistant.warm_up()
        assistant.archive.wait_until_threaded()
        for number, variant in enumerate(VARIANTS, 1):
            with _set(variant):
                found = [editor.ask(assistant, question, variant.kind(question)) for question in questions]
            rows += [one for one in editor.measure(found, variant.name) if not one.measure.startswith("seconds")]
            asked += found
            progress("variants", number, len(VARIANTS))
        return outcome.result(
            "ablation-answers", rows, settings=settings, model=assistant.model,
            data={"name": "demo-editor", "digest": editor_set.digest(), "questions": len(questions)},
            crashed=predictions.crashes(assistant.model, asked), seconds=round(time.perf_counter() - began, 1),
        )  # fmt: skip


@contextmanager
def _set(variant: PartOff) -> Iterator[None]:
    """The constants of a variant while its questions are asked."""
    before = [(module, name, getattr(module, name)) for module, name, _ in variant.constants]
    for module, name, value in variant.constants:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
