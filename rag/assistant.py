"""The one service object: search, ask, stream. The faces and the evaluation call nothing else to get an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from typing import get_args

from rag.answering import pipeline, prompts
from rag.answering.ask import EXTRACTION, Ask
from rag.answering.kinds.reader import KindReader
from rag.answering.retrieval.filter_names import unknown_names
from rag.answering.retrieval.retriever import Retriever
from rag.answering.time_windows.windows import named_window
from rag.answering.tracer import NoTracer, Tracer
from rag.archive.archive import Archive
from rag.errors import ArchiveMissing, DatelineError, QuestionError
from rag.language.identify import detect_language, load_identifier_in_background
from rag.language.tokens import fold
from rag.models.archive_embedder import ArchiveEmbedder, embedder_for
from rag.models.chat import LLM, OpenAIChat, begin_llm, ready
from rag.models.embeddings import CachedEmbedder, Embedder, close_embedder
from rag.schema import Answer, Filters, Hit, QuestionKind, Turn
from rag.settings import Settings

__all__ = ["EXTRACTION", "FILTER_CHARS", "FILTER_NAMES", "TURNS", "TURN_CHARS", "Assistant"]

# Limits of what a caller may send, the same on every face.
FILTER_NAMES, FILTER_CHARS = 100, 300  # names in one filter, characters in one name
TURNS, TURN_CHARS = 20, 8000  # the latest turns of a conversation that are read, characters of one answer


class Assistant:
    """Answers questions from one archive; safe for many threads.

    It owns the archive and the models that it is given, unless these are `shared`: closing it closes them. Use it as a
    context manager: `with Assistant.open(folder) as assistant: ...`
    """

    def __init__(
        self,
        archive: Archive,
        embedder: Embedder,
        llm: LLM | None,
        settings: Settings,
        *,
        tracer: Tracer | None = None,
        shared: bool = False,
    ) -> None:
        """From ready parts; `Assistant.open` makes them from settings. `shared`: another one closes the models.

        Raises ArchiveMismatch.
        """
        self._shared = shared
        self.archive, self.embedder, self.llm, self.settings = archive, embedder, llm, settings
        self.tracer: Tracer = tracer or NoTracer()
        self.retriever = Retriever(archive, embedder, settings)
        self._kinds = KindReader(self.settings.model_cache)
        self._sentence_embedder: tuple[Embedder, CachedEmbedder] | None = None
        self._closing = threading.Lock()
        self._closed = False
        if archive.model is not None:
            archive.claim({"embedder": embedder.name})

    @classmethod
    def open(
        cls,
        data_dir: Path | str | None = None,
        *,
        settings: Settings | None = None,
        with_llm: bool = True,
        begun: OpenAIChat | None = None,
        asks_once: bool = False,
    ) -> Assistant:
        """The assistant of an archive folder. Loads the language model, which takes seconds.

        `begun` is the language model of these settings where it is being loaded already (see `begin_llm`); it is the
        assistant's from here on.

        `asks_once` is for a process that ends after one question: see Archive. The indexes are opened in a thread at
        once then.

        Raises SettingsError, ArchiveMismatch, StorageError, ModelUnavailable.
        """
        settings = settings or Settings.load(data_dir=data_dir)
        with ExitStack() as opened:
            # First, since it loads beside all that follows.
            begun = begun or (begin_llm(settings) if with_llm else None)
            if begun is not None:
                opened.callback(begun.close)
            archive = Archive(settings, asks_once=asks_once)
            opened.callback(archive.close)
            assistant = cls(archive, embedder_for(settings, lambda: archive.model), None, settings)
            if asks_once:
                archive.begin_opening()
                if assistant.retriever.detects_languages:
                    load_identifier_in_background()
            assistant.llm = ready(begun) if begun is not None else None
            opened.pop_all()
        return assistant

    def beside(self, settings: Settings) -> Assistant:
        """The assistant of another archive, with the models of this one, which is to be closed after it.

        Raises ArchiveMissing, ArchiveMismatch, StorageError.
        """
        with ExitStack() as opened:
            archive = opened.enter_context(closing(Archive(settings)))
            embedder = self.embedder
            if isinstance(embedder, ArchiveEmbedder):
                embedder = embedder.beside(lambda: archive.model)
            assistant = Assistant(archive, embedder, self.llm, settings, tracer=self.tracer, shared=True)
            opened.pop_all()
        return assistant

    def __enter__(self) -> Assistant:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the models and the archive. Closing again does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        with ExitStack() as ending:
            ending.callback(self.archive.close)
            if not self._shared:
                ending.callback(close_embedder, self.embedder)
            if not self._shared and self.llm is not None:
                ending.callback(self.llm.close)

    @property
    def model(self) -> str:
        """The name of what writes the answers, for people."""
        return self.llm.name if self.llm else EXTRACTION

    @property
    def embedder_advice(self) -> str:
        """How the archive gets the default embedder, where it was made with another and none was chosen; else empty."""
        return self.embedder.advice if isinstance(self.embedder, ArchiveEmbedder) else ""

    def warm_up(self, *, first: Callable[[], object] = lambda: None) -> None:
        """Loads what is loaded lazily and caches the constant part of the prompt, so that the first question is quick.

        `first` is called once the language model computes that part, before anything is loaded into this process: it
        may wait for something more urgent. Raises ModelUnavailable, StorageError.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="prefill") as pool:
            # The longest part, and computed outside the interpreter's lock: beside the others.
            prefilled = pool.submit(self.llm.probability, prompts.warm_up(), "yes") if self.llm else None
            first()
            self._kinds.kind_of("warm-up", self.embedder)
            detect_language("warm up the language identifier")
            named_window("What happened last week?", date.today())
            self.archive.wait_until_indexed()
            if prefilled is not None:
                prefilled.result()

    # --- search, ask, stream --------------------------------------------------------------------

    def search(
        self, question: str, filters: Filters = Filters(), *, today: date | None = None, top_k: int | None = None
    ) -> list[Hit]:
        """The passages nearest to the question, best first; `today` as for `stream`.

        Raises QuestionError, ArchiveMissing.
        """
        self._check(question, filters, today)
        text = question.strip()
        window = None if filters.since or filters.until else named_window(text, today or date.today())
        with self.tracer.search(text) as found:
            hits = self.retriever.retrieve(text, filters, top_k=top_k, window=window)
            found(hits)
        return hits

    def nothing_found(self, filters: Filters = Filters()) -> str:
        """What is said of a search without a hit: names in the filters that no article has, where there are such."""
        return f"Nothing was found. {unknown_names(self.archive.catalog, filters)}".rstrip()

    def ask(
        self,
        question: str,
        filters: Filters = Filters(),
        history: Sequence[Turn] = (),
        *,
        today: date | None = None,
        named_days: bool = True,
        kind: QuestionKind | None = None,
        sampling: Mapping[str, float] | None = None,
    ) -> Answer:
        """The final answer: the last item of `stream`, which see for arguments and errors."""
        *_, last = self.stream(
            question, filters, history, today=today, named_days=named_days, kind=kind, sampling=sampling
        )
        return last

    def stream(
        self,
        question: str,
        filters: Filters = Filters(),
        history: Sequence[Turn] = (),
        *,
        today: date | None = None,
        named_days: bool = True,
        kind: QuestionKind | None = None,
        sampling: Mapping[str, float] | None = None,
    ) -> Iterator[Answer]:
        """Growing answers: first with the hits alone, then sentence by sentence with a draft; the last is final.

        `history` are the earlier turns of the conversation, oldest first. `today` is the day from which "last week" is
        seen, of the years 1000 to 9999; None: the current day. Where the question names days and the filters none,
        articles from those days are preferred, unless `named_days` is false. `kind` is the form of answer, None: the
        question tells; where the articles hold too little for it, the answer is a plain one with that kind in
        `kind_dropped`. `sampling` are parameters for the language model (names and ranges in
        rag.models.sampling); a model that takes none ignores them. Closing the iterator stops the model. Raises
        QuestionError and ArchiveMissing at once, ModelUnavailable while iterating.
        """
        trace = self.tracer.ask(question)
        try:
            self._check(question, filters, today)
            _check_kind(kind)
        except DatelineError as error:
            trace.end(error)
            raise
        return pipeline.stream(
            Ask(
                question=question.strip(),
                filters=filters,
                history=_recent(history, self.settings.max_question_chars),
                today=(today or date.today()) if named_days else None,
                kind=kind,
                sampling=sampling or {},
                archive=self.archive,
                retriever=self.retriever,
                sentence_embedder=self._embedder_of_sentences(),
                kinds=self._kinds,
                llm=self.llm,
                answer_tokens=self.settings.answer_tokens,
                trace=trace,
            )
        )

    def _embedder_of_sentences(self) -> Embedder:
        """One embedder for a whole question, with the cache that all questions share.

        `self.embedder` changes where dateline reindex ends during the question.
        """
        present = self.embedder.present() if isinstance(self.embedder, ArchiveEmbedder) else self.embedder
        kept = self._sentence_embedder
        if kept is None or kept[0] is not present:
            kept = self._sentence_embedder = present, CachedEmbedder(present)
        return kept[1]

    def _check(self, question: str, filters: Filters, today: date | None) -> None:
        limit = self.settings.max_question_chars
        if not question.strip():
            raise QuestionError("The question is empty. Type what you want to know.")
        if not any(char.isalnum() for char in question):
            raise QuestionError("The question has no word. Type what you want to know.")
        # Some characters are read as many: "ﷺ" as 18.
        if (length := max(len(question), len(fold(question[: limit + 1])))) > limit:
            raise QuestionError(f"The question has {length:,} characters; at most {limit:,} are read. Shorten it.")
        _check_filters(filters)
        if today is not None and today.year < 1000:
            raise QuestionError(f"today is {today}, expected a day of the years 1000 to 9999, such as 2025-03-01.")
        if not self.archive.catalog.coverage().articles:
            raise ArchiveMissing(
                f"The archive at {self.archive.folder} holds no article yet. "
                f"Add some: dateline ingest{self.settings.archive_option} FILE-OR-FOLDER, or the Archive tab of the "
                "page."
            )

    # --- the same without blocking an event loop ---------------------------------------------------

    async def asearch(
        self, question: str, filters: Filters = Filters(), *, today: date | None = None, top_k: int | None = None
    ) -> list[Hit]:
        """`search` in a thread."""
        return await asyncio.to_thread(self.search, question, filters, today=today, top_k=top_k)

    async def aask(
        self,
        question: str,
        filters: Filters = Filters(),
        history: Sequence[Turn] = (),
        *,
        today: date | None = None,
        named_days: bool = True,
        kind: QuestionKind | None = None,
        sampling: Mapping[str, float] | None = None,
    ) -> Answer:
        """The final answer. Cancelling the task stops the model."""
        async for last in self.astream(
            question, filters, history, today=today, named_days=named_days, kind=kind, sampling=sampling
        ):
            answer = last
        return answer

    async def astream(
        self,
        question: str,
        filters: Filters = Filters(),
        history: Sequence[Turn] = (),
        *,
        today: date | None = None,
        named_days: bool = True,
        kind: QuestionKind | None = None,
        sampling: Mapping[str, float] | None = None,
    ) -> AsyncIterator[Answer]:
        """`stream`, each step in a thread. Cancelling the task, or `aclose()`, stops the model at its next token."""
        answers = await asyncio.to_thread(
            self.stream, question, filters, history, today=today, named_days=named_days, kind=kind, sampling=sampling
        )
        loop = asyncio.get_running_loop()
        step: asyncio.Future[Answer | None] | None = None
        try:
            while True:
                # A future, not a task: the shutdown of the loop would cancel a task while its thread still runs.
                step = loop.run_in_executor(None, next, answers, None)
                answer = await asyncio.shield(step)
                if answer is None:
                    return
                yield answer
        finally:
            # A generator cannot be closed while a thread is running it.
            if step is None or step.done():
                answers.close()  # type: ignore[attr-defined]
            else:
                step.add_done_callback(lambda done: (done.exception(), answers.close()))  # type: ignore[attr-defined]


def _check_kind(kind: str | None) -> None:
    """Raises QuestionError for a kind that is none."""
    if kind is not None and kind not in get_args(QuestionKind):
        raise QuestionError(f"kind is {kind[:40]!r}, expected one of {', '.join(get_args(QuestionKind))}.")


def _check_filters(filters: Filters) -> None:
    """Raises QuestionError for days in the wrong order, and for too many or too long names."""
    if filters.since and filters.until and filters.since > filters.until:
        raise QuestionError(
            f"The date range begins on {filters.since} and ends before that, on {filters.until}. Swap the two days."
        )
    for field, names in (("outlets", filters.outlets), ("languages", filters.languages), ("authors", filters.authors)):
        if len(names) > FILTER_NAMES:
            raise QuestionError(f"{field} has {len(names):,} names; at most {FILTER_NAMES} are read. Name fewer.")
        longest = max(map(len, names), default=0)
        if longest > FILTER_CHARS:
            raise QuestionError(
                f"A name in {field} has {longest:,} characters; at most {FILTER_CHARS} are read. Shorten it."
            )


def _recent(history: Sequence[Turn], question_chars: int) -> list[Turn]:
    """The latest turns, shortened: the length of a conversation is up to the client."""
    return [
        Turn(question=_shortened(turn.question, question_chars), answer=_shortened(turn.answer, TURN_CHARS))
        for turn in history[-TURNS:]
    ]


def _shortened(text: str, chars: int) -> str:
    """The beginning of a text that is read as no more than about so many characters."""
    text = text[:chars]
    return text[: chars * len(text) // read] if (read := len(fold(text))) > chars else text
