"""The answers that one assistant is writing on an event loop: a few at once, the others in line.

Each answer can be read by many readers, read again from the start, and stopped.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date

from rag.assistant import Assistant
from rag.errors import AnswerGone
from rag.schema import Answer, Filters, Hit, QuestionKind, Turn
from rag.serving.concurrency import ConcurrencyLimit, WorkerThreads

GRACE_SECONDS = 3.0  # how long a stream without readers goes on, so that a reader can reconnect
KEEP_SECONDS = 60.0  # how long a finished stream can be read again
MOST_KEPT = 100  # finished streams; each holds the articles of its hits, tens of kB
# At shutdown. Generation stops at the next token; before the first one, prefill has to finish.
SHUTDOWN_SECONDS = 20.0
HEARTBEAT_SECONDS = 10.0  # between signs of life of a silent stream; many proxies cut after 30 s of silence
MOST_WAITING_SEARCHES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """What is asked; `today`, `named_days` and `kind` as for `Assistant.stream`.

    `sampling` holds parameters for the language model by name: those of sampling.RANGES, `seed`.
    """

    question: str
    filters: Filters = Filters()
    history: tuple[Turn, ...] = ()
    today: date | None = None
    named_days: bool = True
    kind: QuestionKind | None = None
    sampling: dict[str, float] = field(default_factory=dict)


class QueuedAnswer:
    """One answer of the queue: all its states so far, for any number of readers at any speed."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(12)
        self.states: list[Answer] = []
        self.error: BaseException | None = None
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self.readers = 0
        self.newest: Answer | None = None  # like `last`, but with the draft of the sentence that is being written
        self.stopped = False  # `stop` was called; its thread may not have returned yet
        self._changed = asyncio.Event()  # set, and replaced, when `states` has grown or the stream has ended
        self._newer = asyncio.Event()  # the same for `newest`

    @property
    def last(self) -> Answer:
        """The newest state; the final answer once the stream has ended without an error."""
        return self.states[-1]

    def add(self, answer: Answer) -> None:
        """Takes the next state and wakes the readers; one with merely a longer draft is only for those of `latest`."""
        self.newest = answer
        if not self.states or answer.final or not _same_but_draft(self.last, answer):
            self.states.append(answer)
            self._changed = _set(self._changed)
        self._newer = _set(self._newer)

    def end(self, error: BaseException | None) -> None:
        """Ends the stream, with the error that every reader is going to get, if any."""
        self.error, self.ended = error, True
        self._changed, self._newer = _set(self._changed), _set(self._newer)

    def stop(self) -> None:
        """Stops the language model; readers of `latest` do not wait for its thread to return.

        Later calls do nothing: a second cancellation would end the wait for the thread and leave the model running.
        """
        if self.task is not None and not self.ended and not self.stopped:
            self.task.cancel()
            self.stopped = True
            self._newer = _set(self._newer)

    async def follow(self) -> AsyncIterator[Answer | None]:
        """All states from the first on as they come; None after HEARTBEAT_SECONDS without one. Raises its error."""
        place = 0
        while True:
            changed = self._changed
            while place < len(self.states):
                place += 1
                yield self.states[place - 1]
            if self.ended:
                if self.error is not None:
                    raise self.error
                return
            try:
                await asyncio.wait_for(changed.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield None

    async def latest(self, heartbeat: float) -> AsyncIterator[Answer | None]:
        """The first state, then always the newest, with its draft; a slow reader misses the states between.

        None after `heartbeat` seconds without a new one. Ends with the answer, or once it is stopped. Raises its error.
        """
        shown: Answer | None = None
        while True:
            newer = self._newer
            state = self.states[0] if shown is None and self.states else self.newest
            if state is not shown:
                shown = state
                yield shown
                continue
            if self.ended and self.error is not None and not self.stopped:
                raise self.error
            if self.ended or self.stopped:
                return
            try:
                await asyncio.wait_for(newer.wait(), heartbeat)
            except TimeoutError:
                yield None


def _set(event: asyncio.Event) -> asyncio.Event:
    """Wakes all who wait for the event; gives the event to wait for next."""
    event.set()
    return asyncio.Event()


class AnswerQueue:
    """Answers and searches of one assistant, within the limits of its settings. All faces of a server share one."""

    def __init__(
        self,
        assistant: Assistant,
        on_final: Callable[[Answer], None] = lambda answer: None,
        *,
        beside: AnswerQueue | None = None,
    ) -> None:
        """`on_final` is called with every final answer. The limits are those of `beside`, together with it: the models
        of several archives are the same ones."""
        settings, cores = assistant.settings, max(2, os.cpu_count() or 2)
        self.assistant, self._on_final = assistant, on_final
        self.limit: ConcurrencyLimit = (
            beside.limit if beside else ConcurrencyLimit(settings.answer_slots, settings.answer_queue)
        )
        # Searches and embeddings need no language model, so they do not wait for those that do.
        self.search_limit: ConcurrencyLimit = (
            beside.search_limit if beside else ConcurrencyLimit(cores, MOST_WAITING_SEARCHES)
        )
        self._threads = WorkerThreads(settings.answer_slots + cores)  # for generation, and for retrieval beside it
        self._entries: dict[str, QueuedAnswer] = {}
        self._kept: list[str] = []

    @property
    def busy(self) -> bool:
        """Whether answers of this assistant are being written, or can be read again."""
        return bool(self._entries)

    def start(self, request: AnswerRequest, *, keep: bool = False) -> QueuedAnswer:
        """Begins to answer. With `keep` the answer can be found and read again for KEEP_SECONDS. Raises Busy."""
        self.limit.admit()
        queued = QueuedAnswer()
        queued.task = asyncio.get_running_loop().create_task(self._answer(queued, request))
        queued.task.add_done_callback(lambda task: self._finish(queued, task))
        self._entries[queued.id] = queued
        if keep:
            self._kept.append(queued.id)
        return queued

    async def ask(self, request: AnswerRequest) -> Answer:
        """The final answer. Cancelling the caller stops the model. Raises Busy and what the Assistant raises."""
        queued = self.start(request)
        async with self.reading(queued):
            async for _ in queued.follow():
                pass
        return queued.last

    async def search(
        self, query: str, filters: Filters, *, today: date | None = None, top_k: int | None = None
    ) -> list[Hit]:
        """The passages nearest to the query, best first. Raises Busy and what the Assistant raises."""
        async with self.search_slot():
            return await self.assistant.asearch(query, filters, today=today, top_k=top_k)

    @asynccontextmanager
    async def search_slot(self) -> AsyncIterator[None]:
        """A place among the searches, for work that needs the embedder but no language model. Raises Busy."""
        with self.search_limit.admission():
            async with self.search_limit.slot():
                yield

    async def _answer(self, queued: QueuedAnswer, request: AnswerRequest) -> None:
        # Not Assistant.astream: that returns from a cancellation while its thread still runs, and the slot of the
        # answer must be kept until the thread is back.
        answers = await self._threads.run(
            self.assistant.stream,
            request.question,
            request.filters,
            request.history,
            today=request.today,
            named_days=request.named_days,
            kind=request.kind,
            sampling=request.sampling,
        )
        try:
            # Retrieval needs no slot: readers see the sources while they wait for the language model.
            queued.add(await self._threads.run(next, answers))
            async with self.limit.slot():
                while (answer := await self._threads.run(next, answers, None)) is not None:
                    queued.add(answer)
        finally:
            # ValueError: a thread is still inside the generator. That happens only when the loop ends with the process.
            with suppress(ValueError):
                answers.close()  # type: ignore[attr-defined]
        self._on_final(queued.last)

    def _finish(self, queued: QueuedAnswer, task: asyncio.Task[None]) -> None:
        self.limit.release()
        queued.end(AnswerGone("The answer was stopped. Ask again.") if task.cancelled() else task.exception())
        if queued.id in self._kept:
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, queued.id)
            ended = [one for one in self._kept if self._entries[one].ended]
            for one in ended[: max(0, len(self._kept) - MOST_KEPT)]:
                self._forget(one)
        else:
            self._forget(queued.id)

    def _forget(self, answer_id: str) -> None:
        self._entries.pop(answer_id, None)
        if answer_id in self._kept:
            self._kept.remove(answer_id)

    def find(self, answer_id: str) -> QueuedAnswer:
        """An answer that is being written or ended less than KEEP_SECONDS ago. Raises AnswerGone."""
        if answer_id not in self._entries:
            raise AnswerGone("This answer stream is over and not kept any more. Ask the question again.")
        return self._entries[answer_id]

    @asynccontextmanager
    async def reading(self, queued: QueuedAnswer, *, grace: float = 0.0) -> AsyncIterator[None]:
        """Counts one reader. When none has been left for `grace` seconds, the language model is stopped."""
        queued.readers += 1
        try:
            yield
        finally:
            queued.readers -= 1
            if grace and not queued.ended:
                asyncio.get_running_loop().call_later(grace, self._stop_unread, queued)
            else:
                self._stop_unread(queued)

    def _stop_unread(self, queued: QueuedAnswer) -> None:
        if not queued.readers:
            queued.stop()

    async def close(self) -> None:
        """Stops every answer and waits for their threads, at most SHUTDOWN_SECONDS."""
        running = [queued for queued in self._entries.values() if not queued.ended]
        for queued in running:
            queued.stop()
        tasks = [queued.task for queued in running if queued.task]
        if tasks:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
        self._threads.close()


def _same_but_draft(one: Answer, other: Answer) -> bool:
    return one.hits is other.hits and len(one.sentences) == len(other.sentences) and one.answered == other.answered
