"""`python -m eval demo`: retrieval and answers on the demo archive, beside vectors alone and words alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eval.datasets import demo as demo_set
from eval.datasets import editor as editor_set
from eval.experiments import editor, predictions
from eval.experiments.answers import stored_texts, summaries
from eval.metrics import answers as answer_metrics
from eval.metrics.answers import Prediction
from eval.metrics.retrieval import hit_at_k, reciprocal_rank
from eval.reporting import journal, outcome
from eval.reporting.outcome import row
from eval.reporting.progress import Progress, silent
from ingest.pipeline import IngestReport, ingest
from ingest.readers.files import ReadOptions, read
from rag.answering.conversation.followups import standalone
from rag.archive.archive import Archive
from rag.archive.catalog import Catalog
from rag.assistant import Assistant
from rag.models.embeddings import open_embedder
from rag.settings import Settings

SYSTEMS = {"dateline": None, "dense": 1.0, "words": 0.0}


def fill_archive(settings: Settings) -> IngestReport:
    """Ingests the demo archive and notes its example questions for the page."""
    with closing(Archive(settings)) as archive:
        report = ingest(read([demo_set.ARCHIVE], ReadOptions()), archive, open_embedder(settings))
        examples = json.dumps(EXAMPLES, ensure_ascii=False)
        archive.catalog.set_meta({_EXAMPLES_KEY: examples, _FILLED_KEY: _fill_mark(archive)})
        return report


def is_filled(settings: Settings) -> bool:
    """Whether the archive holds this version of the demo archive, unchanged; reads one entry, not 80 files."""
    with closing(Archive(settings)) as archive:
        return archive.catalog.get_meta(_FILLED_KEY) == _fill_mark(archive)


# Entries of the archive: the example questions, which the page shows, and what the archive was filled with.
_EXAMPLES_KEY, _FILLED_KEY = "examples", "demo"


def _fill_mark(archive: Archive) -> str:
    """Changes with the files and with the archive: `make run` brings back an article that a user removed."""
    return f"{demo_set.digest()} {archive.catalog.last_change()}"


# Shown on the page of the demo archive. All but the last are among its labelled questions; the archive does not
# answer the last.
EXAMPLES = [
    "Who leads the independent inquiry into the train derailment in Arden Cutting?",
    "How many tonnes of hake may Maravel land in 2026?",
    "What did the Oduya inquiry conclude about the patrol boat collision?",
    "¿Qué equipo se llevó la Liga Lunada en la temporada 2025-2026?",
    "How much did the mayor of Port Selwyn pay for the lighthouse?",
]


def measure_retrieval(assistant: Assistant, questions: Sequence[demo_set.DemoQuestion]) -> list[outcome.Row]:
    """Article hit@5 and MRR@10 of the fused retriever, of vectors alone and of words alone."""
    answerable = [q for q in questions if q.answerable]
    rows = []
    for system, weight in SYSTEMS.items():
        ranked = {q.id: _articles(assistant, q, weight) for q in answerable}
        rows.append(row("hit@5", system, [hit_at_k(ranked[q.id], q.articles, 5) for q in answerable]))
        rows.append(row("MRR@10", system, [reciprocal_rank(ranked[q.id], q.articles) for q in answerable]))
    return rows


def _articles(assistant: Assistant, question: demo_set.DemoQuestion, weight: float | None) -> list[str]:
    """The ids of the articles found, best first; near-duplicates follow directly after their hit."""
    text = standalone(question.text, question.history)
    hits = assistant.retriever.retrieve(text, top_k=20, dense_weight=weight)
    return list(dict.fromkeys(article.id for h in hits for article in (h.passage.article, *h.copies)))


def measure_answers(found: Sequence[Prediction], system: str, catalog: Catalog) -> list[outcome.Row]:
    """Right answers, valid citations and refusals."""
    answerable = [one for one in found if one["answerable"]]
    others = [one for one in found if not one["answerable"]]
    cited = [one for one in answerable if one["answer"] and one["answer"]["answered"] and one["answer"]["citations"]]
    in_gold = [[float(c["article_id"] in one["articles"]) for c in one["answer"]["citations"]] for one in cited]
    quotes = [value for one in found for value in answer_metrics.verbatim(one, stored_texts(one, catalog))]
    sentences = [s for one in found if one["answer"] for s in one["answer"]["sentences"]]
    return [
        row("answer contains gold", system, [answer_metrics.contains(one) for one in answerable]),
        row("answer contains gold, lenient", system, [answer_metrics.contains_leniently(one) for one in answerable]),
        row("quote verbatim in article", system, quotes),
        row("cites a gold article", system, [max(values) for values in in_gold]),
        row("citations in gold articles", system, [value for values in in_gold for value in values]),
        row("refused (unanswerable, false premise)", system, [float(answer_metrics.refused(one)) for one in others]),
        row("answered (answerable)", system, [float(bool(answer_metrics.text_of(one))) for one in answerable]),
        row("sentences supported", system, [float(s["verdict"] == "supported") for s in sentences]),
    ]


def run(
    settings: Settings, *, with_answers: bool, every: int = 1, kept: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:  # fmt: skip
    """The result of the demo evaluation as plain data; `every` > 1 takes only 1 question in so many.

    It holds neither hits nor paths, so that it can be published with the project. The editor's questions have a
    section of their own, `editor`, which is empty without answers. Answers are written to the file
    `kept` as they come, and a second call with the same data, settings and code continues from it.
    """
    outcome.provenance()
    began = time.perf_counter()
    report = fill_archive(settings)
    questions, others = demo_set.load()[::every], editor_set.load()[::every]
    with Assistant.open(settings=settings, with_llm=with_answers) as assistant:
        assistant.warm_up()
        assistant.archive.wait_until_threaded()  # answers rest on stories, which are threaded behind an ingest
        rows = measure_retrieval(assistant, questions)
        asked = _ask_all(assistant, questions, others, kept, progress) if with_answers else []
        found, edited = asked[: len(questions)], asked[len(questions) :]
        if found:
            rows += measure_answers(found, assistant.model, assistant.archive.catalog)
        summary = summaries(found)
        data = {"name": "demo", "digest": demo_set.digest(), "questions": len(questions)}
        return outcome.result(
            "demo", rows, settings=settings, data=data,
            model=assistant.model, ingest={k: v for k, v in report.as_dict().items() if k != "rejections"},
            crashed=predictions.crashes(assistant.model, asked), by_kind=summary["by_kind"],
            latency_ms={name: times for name, times in summary["latency_ms"].items() if times},
            editor=editor.section(edited, assistant.model) if edited else {},
            predictions=[_shortened(one) for one in found], seconds=round(time.perf_counter() - began, 1),
        )  # fmt: skip


def _ask_all(
    assistant: Assistant, questions: Sequence[demo_set.DemoQuestion], others: Sequence[editor_set.EditorQuestion],
    kept: Path | None, progress: Progress,
) -> list[Prediction]:  # fmt: skip
    """The answers to both sets, in their order."""
    key = [
        demo_set.digest(), editor_set.digest(), outcome.code_digest("rag", "ingest"), assistant.model,
        outcome.public(assistant.settings),
    ]  # fmt: skip
    tasks: list[tuple[str, Callable[[], Prediction]]] = [
        *((question.id, partial(ask, assistant, question)) for question in questions),
        *((question.id, partial(editor.ask, assistant, question)) for question in others),
    ]
    with TemporaryDirectory(prefix="dateline-demo-") as folder:
        return journal.resume(
            kept or Path(folder) / journal.PREDICTIONS, json.dumps(key), tasks, name="demo", progress=progress
        )


def ask(assistant: Assistant, question: demo_set.DemoQuestion) -> Prediction:
    """The answer to one question, beside what was expected."""
    answer, error = predictions.ask(assistant, question.text, question.history)
    return predictions.prediction(
        question.id, question.text, answer, answers=question.answers, articles=sorted(question.articles),
        can_answer=question.answerable, error=error, kind=question.kind,
    )  # fmt: skip


_KEPT = ("id", "kind", "question", "answers", "articles", "right")


def _shortened(one: Prediction) -> dict[str, Any]:
    """The answer beside what was expected, for reading the misses."""
    answer = predictions.shortened(one["answer"]) if one["answer"] else None
    return {**{name: one[name] for name in _KEPT}, "answer": answer}


def as_json(result: dict[str, Any]) -> str:
    """The result as JSON with one line for each prediction, so that `diff` can compare two runs."""
    section = result["editor"]
    shell = result | {"predictions": [], "editor": section and section | {"predictions": []}}
    text = json.dumps(shell, ensure_ascii=False, indent=1)
    for indent, predicted in ((1, result["predictions"]), (2, section.get("predictions", []))):
        start = f'\n{" " * indent}"predictions": ['
        lines = "".join(f"\n{' ' * (indent + 1)}{json.dumps(one, ensure_ascii=False)}," for one in predicted)
        if lines:
            text = text.replace(f"{start}]", f"{start}{lines[:-1]}\n{' ' * indent}]", 1)
    return text
