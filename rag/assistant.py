"""The one service object: search, ask, stream. Page, HTTP, command line and evaluation all call this."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rag import cite, prompt
from rag.archive import Archive
from rag.embed import Embedder, LazyEmbedder
from rag.errors import ArchiveMissing, QuestionError
from rag.evidence import Evidence, gather
from rag.llm import LLM, open_llm
from rag.retrieve import Retriever
from rag.schema import Answer, Filters, Hit, Sentence, Timings, Turn
from rag.settings import Settings
from rag.text import LANGUAGE_NAMES, STOP_WORDS, content_stems, detect_language, tokens

EXTRACTION = "extraction (no language model)"


class Assistant:
    """Answers questions from one archive. Safe for many threads; close it, or use it as a context manager."""

    def __init__(self, archive: Archive, embedder: Embedder, llm: LLM | None, settings: Settings) -> None:
        """From ready parts; `Assistant.open` makes them from settings. Raises ArchiveMismatch."""
        self.archive, self.embedder, self.llm, self.settings = archive, embedder, llm, settings
        self.retriever = Retriever(archive, embedder, settings)
        if archive.catalog.get_meta("embedder") is not None:
            archive.claim({"embedder": embedder.name})

    @classmethod
    def open(cls, data_dir: Any = None, *, settings: Settings | None = None, with_llm: bool = True) -> Assistant:
        """The assistant of an archive folder. Loads the models: seconds. Raises DatelineError kinds."""
        settings = settings or Settings.load(data_dir=data_dir)
        archive = Archive(settings)
        try:
            llm = open_llm(settings) if with_llm else None
            return cls(archive, LazyEmbedder(settings.embedder), llm, settings)
        except BaseException:
            archive.close()
            raise

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the models and the archive."""
        if self.llm is not None:
            self.llm.close()
        self.archive.close()

    @property
    def model(self) -> str:
        """What writes the answers, for people."""
        return self.llm.name if self.llm else EXTRACTION

    def warm_up(self) -> None:
        """Reads the constant part of the prompt and loads what loads lazily, so that the first question is quick."""
        self.embedder.embed_queries(["warm-up"])
        detect_language("warm up the language identifier")
        self.archive.sync()
        if self.llm is not None:
            self.llm.probability(prompt.judge("Is it?", [], ()), "yes")

    # --- the three verbs -----------------------------------------------------------------------

    def search(self, question: str, filters: Filters = Filters(), *, top_k: int | None = None) -> list[Hit]:
        """The passages nearest to the question, best first. Raises QuestionError, ArchiveMissing."""
        self._check(question, filters)
        return self.retriever.retrieve(question.strip(), filters, top_k=top_k)

    def ask(self, question: str, filters: Filters = Filters(), history: Sequence[Turn] = ()) -> Answer:
        """The final answer: the last item of `stream`."""
        *_, last = self.stream(question, filters, history)
        return last

    def stream(self, question: str, filters: Filters = Filters(), history: Sequence[Turn] = ()) -> Iterator[Answer]:
        """Growing answers: first with the hits alone, then sentence by sentence with a draft; the last is final.

        Closing the iterator stops the model. Raises QuestionError, ArchiveMissing, ModelUnavailable.
        """
        self._check(question, filters)
        return _Asking(self, question.strip(), filters, list(history)).run()

    def _check(self, question: str, filters: Filters) -> None:
        limit = self.settings.max_question_chars
        if not question.strip():
            raise QuestionError("The question is empty. Type what you want to know.")
        if len(question) > limit:
            raise QuestionError(f"The question has {len(question):,} characters; at most {limit:,} are read. Shorten it.")
        if filters.since and filters.until and filters.since > filters.until:
            raise QuestionError(
                f"The date range begins on {filters.since} and ends before that, on {filters.until}. Swap the two days."
            )
        if not self.archive.catalog.coverage().articles:
            raise ArchiveMissing(
                f"The archive at {self.archive.folder} holds no article yet. "
                "Add some: dateline ingest FILE-OR-FOLDER, or the Archive tab of the page."
            )


@dataclass
class _Asking:
    """One question on its way through."""

    assistant: Assistant
    question: str
    filters: Filters
    history: list[Turn]

    def run(self) -> Iterator[Answer]:
        a = self.assistant
        self.began = time.perf_counter()
        self.language = detect_language(self.question) or next(iter(a.archive.catalog.languages()), "")
        self.looked_up = standalone(self.question, self.history)
        hits = tuple(a.retriever.retrieve(self.looked_up, self.filters))
        coverage = a.archive.catalog.coverage(self.filters)
        self.timings = Timings(retrieve_ms=self._elapsed())
        self.answer = Answer(
            question=self.question, answered=False, model=a.model, coverage=coverage, hits=hits, timings=self.timings
        )
        yield self.answer
        foreign = self._foreign()
        if foreign and a.llm is not None:
            self.looked_up = self._translated(a.llm, foreign)
            hits = tuple(a.retriever.retrieve(self.looked_up, self.filters))
            self.answer = replace(self.answer, hits=hits)
            yield self.answer
        budget = a.llm.evidence_tokens if a.llm else 300
        evidence = gather(self.looked_up, foreign or self.language, hits, a.archive, a.embedder, budget)
        doubt = self._doubt(evidence)
        if doubt:
            yield self._refuse(doubt)
        elif a.llm is None:
            yield self._extract(evidence)
        else:
            yield from self._generate(a.llm, evidence)

    def _elapsed(self) -> float:
        return round((time.perf_counter() - self.began) * 1000, 1)

    def _foreign(self) -> str:
        """The main language of the archive when (nearly) nothing in it is in the question's language, else ""."""
        languages = self.assistant.archive.catalog.languages()
        total = sum(languages.values())
        if not total or languages.get(self.language, 0) >= FOREIGN_SHARE * total:
            return ""
        main = next(iter(languages))
        return main if main != self.language and main in LANGUAGE_NAMES else ""

    def _translated(self, llm: LLM, language: str) -> str:
        """The question in the archive's language: words and an English-only embedder find little across languages."""
        pieces = llm.stream(prompt.translate(self.looked_up, LANGUAGE_NAMES[language]), 80)
        return "".join(pieces).strip().strip('"') or self.looked_up

    def _doubt(self, evidence: Evidence) -> str:
        """Why the evidence cannot carry an answer, or ""."""
        if not evidence.candidates:
            return "nothing found"
        if evidence.missing and self.question == self.looked_up:
            return f"no article found mentions {', '.join(evidence.missing)}"
        if evidence.cosine < LEAST_COSINE and evidence.coverage < LEAST_COVERAGE:
            return "nothing close enough"
        return ""

    def _refuse(self, why: str, withheld: tuple[str, ...] = ()) -> Answer:
        c = self.answer.coverage
        span = f" from {c.first:%-d %B %Y} to {c.last:%-d %B %Y}" if c.first and c.last else ""
        what = "article" if c.articles == 1 else "articles"
        closest = self.answer.hits[0].passage.article if self.answer.hits else None
        near = f" The closest is “{closest.title}”{f' ({closest.outlet})' if closest.outlet else ''}." if closest else ""
        return replace(
            self.answer,
            answered=False,
            sentences=(),
            draft="",
            withheld=withheld,
            refusal=f"The archive does not answer this. Searched: {c.articles:,} {what}{span}.{near}",
            timings=replace(self.timings, total_ms=self._elapsed()),
        )

    def _extract(self, evidence: Evidence) -> Answer:
        """The best sentences verbatim, each its own citation."""
        best = evidence.candidates[0]
        keep = [c for c in evidence.candidates[:3] if c.score >= 0.8 * best.score]
        citer = cite.Citer()
        sentences = tuple(citer.sentence(c.text, (c,), "") for c in keep)
        now = self._elapsed()
        timings = replace(self.timings, first_token_ms=now, total_ms=now)
        return replace(self.answer, answered=True, sentences=sentences, timings=timings)

    # --- with a language model ------------------------------------------------------------------

    def _generate(self, llm: LLM, evidence: Evidence) -> Iterator[Answer]:
        asked = self.history[-1:] if self.looked_up != self.question else []
        messages = prompt.answer(self.question, evidence.excerpts, asked)
        citer, sentences, raw, done = cite.Citer(), [], "", 0
        stray = 0
        for piece in llm.stream(messages, self.assistant.settings.answer_tokens):
            if self.timings.first_token_ms is None:
                self.timings = replace(self.timings, first_token_ms=self._elapsed())
            raw += piece
            if prompt.NOT_FOUND.startswith(raw.strip()[: len(prompt.NOT_FOUND)].upper()):
                continue  # may become the sign for "not found": nothing to show yet
            text, _, stray = cite.strip_markers(raw, len(evidence.excerpts))
            finished, rest = cite.split_finished(text)
            for sentence in finished[done:]:
                self._add(sentences, sentence, citer, evidence, raw)
            done = len(finished)
            yield replace(
                self.answer, answered=True, sentences=tuple(sentences), draft=rest, stray_markers=stray,
                timings=self.timings,
            )  # fmt: skip
        text, _, stray = cite.strip_markers(raw, len(evidence.excerpts))
        finished, rest = cite.split_finished(text)
        for sentence in [*finished, rest][done:]:
            self._add(sentences, sentence, citer, evidence, raw)
        yield self._conclude(sentences, raw, stray, llm, evidence, asked)

    def _add(self, sentences: list[Sentence], text: str, citer: cite.Citer, evidence: Evidence, raw: str) -> None:
        text = text.strip()
        if not content_stems(text, "") or any(cite.same_words(text, s.text) for s in sentences):
            return
        _, named, _ = cite.strip_markers(raw, len(evidence.excerpts))
        hints = [evidence.excerpts[n - 1][0] for n in named]
        language = detect_language(text) or self.language
        quotes, reason = cite.link(text, evidence.candidates, language=language, hints=hints)
        sentences.append(citer.sentence(text, quotes, reason))

    def _conclude(
        self, sentences: list[Sentence], raw: str, stray: int, llm: LLM, evidence: Evidence, asked: list[Turn]
    ) -> Answer:
        if raw.strip().upper().startswith(prompt.NOT_FOUND):
            return self._refuse("the model found nothing")
        if not any(s.verdict == "supported" for s in sentences):
            return self._refuse("nothing that the model wrote is in the articles", tuple(s.text for s in sentences))
        timings = replace(self.timings, total_ms=self._elapsed())
        return replace(
            self.answer, answered=True, sentences=tuple(sentences), draft="", stray_markers=stray, timings=timings
        )


FOREIGN_SHARE = 0.02  # of the articles; below it a question is translated before it is looked up
LEAST_COSINE = 0.3
LEAST_COVERAGE = 0.4

_POINTERS = frozenset(
    "he she it they him her them his its their this that these those there then el ella ello ellos ellas eso esto "
    "ese esa aquel alli entonces su sus lo".split()
)
_OPENERS = ("and ", "what about", "how about", "why", "y ", "que hay de", "¿y ", "but ", "also ", "so ")


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question with the words of the last exchange that it leans on; the question itself when it leans on none."""
    if not history:
        return question
    words = [t.folded for t in tokens(question)]
    content = [word for word in words if word not in STOP_WORDS]
    leans = any(word in _POINTERS for word in words) or question.lower().startswith(_OPENERS) or len(content) <= 3
    return f"{history[-1].question} {question}" if leans else question

