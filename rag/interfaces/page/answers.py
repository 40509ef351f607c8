"""The answers that readers of the page wait for, from the queue that all faces of the server share."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from rag.errors import DatelineError
from rag.interfaces.filters import encodable
from rag.interfaces.page.exchange import Exchange, Part, State
from rag.schema import Filters, QuestionKind
from rag.serving.answer_queue import AnswerQueue, AnswerRequest, QueuedAnswer

log = logging.getLogger("dateline")

HEARTBEAT_SECONDS = 0.5  # without a new state, until the reader sees that the server works, and is seen to be there


class PageAnswers:
    """Asks questions for browser sessions. All methods belong to the event loop of the server."""

    def __init__(self, queue: AnswerQueue, ready: Callable[[], bool]) -> None:
        """`ready` says whether the models are loaded."""
        self._queue, self._ready = queue, ready
        self._running: dict[str, QueuedAnswer] = {}

    def stop(self, session: str) -> None:
        """Stops the answer that this session waits for, if there is one."""
        if session in self._running:
            self._running[session].stop()

    async def ask(
        self, session: str, question: str, filters: Filters, earlier: Sequence[Exchange],
        *, named_days: bool = True, kind: QuestionKind | None = None,
    ) -> AsyncIterator[Exchange]:  # fmt: skip
        """The exchange as it grows; the last one is done or stopped. Closing the iterator stops the model.

        `named_days` and `kind` as for `Assistant.stream`.

        An error that comes before any passage is found is raised as DatelineError: a question that cannot be asked, a
        full queue. A later one is the notice of the last exchange.
        """
        turns = tuple(exchange.turn for exchange in earlier if exchange.lines)
        asked = AnswerRequest(
            question=encodable(question), filters=filters, history=turns, named_days=named_days, kind=kind
        )
        queued = self._queue.start(asked)
        self._running[session] = queued
        exchange = Exchange(
            question=question.strip(), state="writing", notice="" if self._ready() else "Loading the model"
        )
        try:
            async with self._queue.reading(queued), aclosing(queued.latest(HEARTBEAT_SECONDS)) as states:  # type: ignore[type-var]
                async for answer in states:
                    if answer is not None:
                        exchange = Exchange.of(answer, "writing")
                    yield exchange
            story = await asyncio.to_thread(self._story, exchange)
            state: State = "stopped" if queued.stopped else "done"
            yield replace(exchange, state=state, story=story, draft="", preview=())
        except Exception as error:
            if not isinstance(error, DatelineError):
                log.error("an answer failed", exc_info=error)
                error = DatelineError(f"The answer failed ({type(error).__name__}). The terminal of Dateline says why.")
            if not exchange.cards:
                raise error from None
            yield replace(exchange, state="stopped", notice=str(error))
        finally:
            if self._running.get(session) is queued:
                del self._running[session]

    def _story(self, exchange: Exchange) -> Part:
        """The story of a cited article that most sources are part of, cited ones counted twice; none for a refusal."""
        catalog = self._queue.assistant.archive.catalog
        stories = catalog.stories_of({card.article for card in exchange.cards})
        weight: Counter[str] = Counter()
        for card in exchange.cards:
            if card.article in stories:
                weight[stories[card.article]] += 2 if card.number else 1
        cited = {card.article for card in exchange.cards if card.number}
        told = {stories[article] for article in cited if article in stories}
        found = catalog.story(max(sorted(told), key=weight.__getitem__)) if told else None
        if found is None:
            return Part()
        return Part.of(found, sum(stories.get(article) == found.id for article in cited), len(cited))
