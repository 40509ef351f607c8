"""`python -m eval demo`: retrieval and answers on the demo gold set, beside vectors alone and words alone."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from eval import gold, outcome
from eval.metrics import contains_answer, hit_at_k, reciprocal_rank
from eval.outcome import row
from eval.retrieval import percentiles
from ingest.pipeline import IngestReport, ingest
from ingest.read import ReadOptions, read
from rag.archive import Archive
from rag.assistant import Assistant, standalone
from rag.embed import LazyEmbedder
from rag.errors import DatelineError
from rag.schema import Answer
from rag.settings import Settings

SYSTEMS = {"dateline": None, "dense": 1.0, "words": 0.0}


def fill_archive(settings: Settings) -> IngestReport:
    """Ingests the demo archive and notes its example questions for the page."""
    with closing(Archive(settings)) as archive:
        report = ingest(read([gold.ARCHIVE], ReadOptions()), archive, LazyEmbedder(settings.embedder))
        examples = json.dumps(EXAMPLES, ensure_ascii=False)
        archive.catalog.set_meta({gold.EXAMPLES_KEY: examples, _FILLED_KEY: _fill_mark(archive)})
        return report


def is_filled(settings: Settings) -> bool:
    """Whether this very demo archive was put there before; looks at one line instead of reading 80 files again."""
    with closing(Archive(settings)) as archive:
        return archive.catalog.get_meta(_FILLED_KEY) == _fill_mark(archive)


_FILLED_KEY = "demo"


def _fill_mark(archive: Archive) -> str:
    """The archive's files and what it holds: a reader who removed an article gets it back by the next `make run`."""
    return f"{gold.digest()} {archive.catalog.last_change()}"


# On the page of the demo archive; all but the last are in the gold set, the last is a thing the archive does not say.
EXAMPLES = [
    "Who leads the independent inquiry into the train derailment in Arden Cutting?",
    "How many tonnes of hake may Maravel land in 2026?",
    "What did the Oduya inquiry conclude about the patrol boat collision?",
    "¿Qué equipo se llevó la Liga Lunada en la temporada 2025-2026?",
    "How much did the mayor of Port Selwyn pay for the lighthouse?",
]


def measure_retrieval(assistant: Assistant, questions: Sequence[gold.Question]) -> list[outcome.Row]:
    """Article hit@5 and MRR@10 of the fused retriever, of vectors alone and of words alone."""
    answerable = [q for q in questions if q.answerable]
    rows = []
    for system, weight in SYSTEMS.items():
        ranked = {q.id: _articles(assistant, q, weight) for q in answerable}
        rows.append(row("hit@5", system, [hit_at_k(ranked[q.id], q.articles, 5) for q in answerable]))
        rows.append(row("MRR@10", system, [reciprocal_rank(ranked[q.id], q.articles) for q in answerable]))
    return rows


def _articles(assistant: Assistant, question: gold.Question, weight: float | None) -> list[str]:
    """The ids of the articles found, best first; the copies of a story stand with its first hit."""
    text = standalone(question.text, question.history)
    hits = assistant.retriever.retrieve(text, top_k=20, dense_weight=weight)
    return list(dict.fromkeys(article.id for h in hits for article in (h.passage.article, *h.copies)))


def ask_all(
    assistant: Assistant, questions: Sequence[gold.Question], progress: Callable[[int], None] = lambda done: None
) -> list[tuple[gold.Question, Answer | None]]:
    """Every question with its answer; None where asking failed, which counts as a miss everywhere."""
    asked: list[tuple[gold.Question, Answer | None]] = []
    for number, question in enumerate(questions, start=1):
        try:
            asked.append((question, assistant.ask(question.text, history=question.history)))
        except DatelineError:
            asked.append((question, None))
        progress(number)
    return asked


def measure_answers(asked: Sequence[tuple[gold.Question, Answer | None]], system: str) -> list[outcome.Row]:
    """Right answers, sound citations and refusals."""
    answerable = [(q, a) for q, a in asked if q.answerable]
    others = [(q, a) for q, a in asked if not q.answerable]
    cited = [(q, a) for q, a in answerable if a and a.answered and a.citations]
    quotes = [c for _, a in asked if a for c in a.citations]
    sentences = [s for _, a in asked if a for s in a.sentences]
    return [
        row("answer contains gold", system, [_right(q, a) for q, a in answerable]),
        row("quote verbatim in article", system, [float(_verbatim(c)) for c in quotes]),
        row("cites a gold article", system, [float(_cites_gold(q, a)) for q, a in cited]),
        row(
            "citations in gold articles",
            system,
            [_in_gold(q, c.passage.article.id) for q, a in cited for c in a.citations],
        ),
        row("refused (unanswerable, false premise)", system, [float(bool(a and not a.answered)) for _, a in others]),
        row("answered (answerable)", system, [float(bool(a and a.answered)) for _, a in answerable]),
        row("sentences supported", system, [float(s.verdict == "supported") for s in sentences]),
    ]


def _good(question: gold.Question, answer: Answer | None) -> float:
    """1 for a right answer, or for a refusal where there is none."""
    return _right(question, answer) if question.answerable else float(bool(answer and not answer.answered))


def _right(question: gold.Question, answer: Answer | None) -> float:
    return contains_answer(answer.text, question.answers) if answer and answer.answered else 0.0


def _verbatim(citation: Any) -> bool:
    article = citation.passage.article
    return bool(citation.quote) and article.text[citation.start : citation.end] == citation.quote


def _in_gold(question: gold.Question, article_id: str) -> float:
    return float(article_id in question.articles)


def _cites_gold(question: gold.Question, answer: Answer) -> bool:
    return any(_in_gold(question, c.passage.article.id) for c in answer.citations)


def latencies(asked: Sequence[tuple[gold.Question, Answer | None]]) -> dict[str, dict[str, float]]:
    """Percentiles of the milliseconds to sources, first word and end."""
    names = {"to sources": "retrieve_ms", "to first word": "first_token_ms", "in total": "total_ms"}
    return {
        name: percentiles([v for _, a in asked if a and (v := getattr(a.timings, key)) is not None])
        for name, key in names.items()
    }


def run(settings: Settings, *, with_answers: bool, every: int = 1, progress: Callable[[int], None]) -> dict[str, Any]:
    """The whole demo evaluation as plain data; `every` > 1 takes only every so manyth question.

    It holds no hits and no path: small enough, and clean enough, to be kept in the project.
    """
    outcome.provenance()
    began = time.perf_counter()
    report = fill_archive(settings)
    questions = gold.load()[::every]
    with Assistant.open(settings=settings, with_llm=with_answers) as assistant:
        assistant.warm_up()
        rows = measure_retrieval(assistant, questions)
        asked = ask_all(assistant, questions, progress) if with_answers else []
        if asked:
            rows += measure_answers(asked, assistant.model)
        kinds = {k: [_good(q, a) for q, a in asked if q.kind == k] for k in dict.fromkeys(q.kind for q in questions)}
        data = {"name": "demo", "digest": gold.digest(), "questions": len(questions)}
        return outcome.result(
            "demo", rows, settings=settings, data=data,
            model=assistant.model, ingest={k: v for k, v in report.as_dict().items() if k != "rejections"},
            by_kind={k: {"right": statistics.fmean(v), "n": len(v)} for k, v in kinds.items() if v},
            latency_ms={name: found for name, found in latencies(asked).items() if found},
            predictions=[predicted(q, a) for q, a in asked], seconds=round(time.perf_counter() - began, 1),
        )  # fmt: skip


_LEFT_OUT = ("question", "hits", "coverage", "model")  # of an answer: said elsewhere, or long


def predicted(question: gold.Question, answer: Answer | None) -> dict[str, Any]:
    """What was answered beside what was expected, to read the misses."""
    from rag.render import answer_data

    data = {k: v for k, v in answer_data(answer).items() if k not in _LEFT_OUT} if answer else None
    return {
        "id": question.id,
        "kind": question.kind,
        "question": question.text,
        "answers": question.answers,
        "articles": sorted(question.articles),
        "right": _good(question, answer),
        "answer": data,
    }


def as_json(result: dict[str, Any]) -> str:
    """A result with a line for each prediction, so that two runs can be compared line by line."""
    text = json.dumps(result | {"predictions": []}, ensure_ascii=False, indent=1)
    lines = ",\n  ".join(json.dumps(one, ensure_ascii=False) for one in result["predictions"])
    return text.replace('"predictions": []', f'"predictions": [\n  {lines}\n ]' if lines else '"predictions": []')
