"""Answers in flight on one event loop: so many at once, the others in line; each may be followed, resumed, stopped."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, TypeVar

from rag.assistant import Assistant
from rag.errors import QuestionError
from rag.interfaces.http.errors import Busy, Ended
from rag.interfaces.json import answer_data, citation_data, coverage_data, hit_data
from rag.schema import Answer, Filters, Turn

T = TypeVar("T")

GRACE_SECONDS = 3.0  # a stream whose reader left goes on so long, for the reader to come back; then the model stops
KEEP_SECONDS = 60.0  # a finished stream can be read again so long
KEPT_RUNS = 100  # each holds the articles that it found: tens of kB
PATIENCE_SECONDS = 20.0  # at the end: a model notices at its next word, which may have to wait for its reading
PULSE_SECONDS = 10.0  # a silent stream says that it lives: proxies cut what is silent for 30 s or more


class Gate:
    """Lets `slots` in at once and `waiting` more stand in line, first come, first served; raises Busy for the rest."""

    def __init__(self, slots: int, waiting: int) -> None:
        self.slots, self.waiting = slots, waiting
        self.inside = 0  # with those in line
        self.running = 0
        self._turns = asyncio.Semaphore(slots)  # fair: wakes in order of arrival
        self._seconds = 1.0  # how long a turn takes, a moving average

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place at work or in line. Raises Busy with the seconds after which one should be free."""
        if self.inside >= self.slots + self.waiting:
            seconds = max(1, math.ceil(self._seconds * self.inside / self.slots / 2))
            raise Busy(
                f"{self.inside} requests are being answered or waiting; no more are let in. "
                f"Ask again in {seconds} seconds.",
                seconds,
            )
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a slot and holds it."""
        async with self._turns:
            self.running += 1
            began = time.monotonic()
            try:
                yield
            finally:
                self.running -= 1
                self._seconds += 0.2 * (time.monotonic() - began - self._seconds)


class Threads:
    """Threads for what would block the loop: those of the loop itself are few, and for everybody."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="answer")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What the work returns or raises. A cancelled wait ends when the thread is done with the work.

        No thread can be stopped: were its place given to the next one before, more would be at work than was said.
        """
        context = copy_context()  # the trace that the caller is in
        future = self._pool.submit(context.run, work, *arguments)
        step = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait({step})
            raise

    def close(self) -> None:
        """Lets the threads end, without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `sampling`: parameters for the model that writes, named as in sampling.RANGES, or `seed`."""

    text: str
    filters: Filters = Filters()
    history: tuple[Turn, ...] = ()
    sampling: tuple[tuple[str, float], ...] = ()


class Run:
    """One question on its way: all answers so far, for any number of readers however slow."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(12)
        self.answers: list[Answer] = []
        self.error: BaseException | None = None
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self.readers = 0
        self.newest: Answer | None = None  # with the draft of the sentence that is being written
        self.stopped = False  # `stop` was called; the thread at the model may not have returned yet
        self._news = asyncio.Event()
        self._newer = asyncio.Event()

    def tell(self, answer: Answer | None = None, error: BaseException | None = None, *, ended: bool = False) -> None:
        """Takes the next answer, or the end, and wakes the readers; a longer draft wakes those of `latest` only."""
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()
        if answer is not None:
            self.newest = answer
            if self.answers and not is_final(answer) and _same_but_draft(self.answers[-1], answer):
                return
            self.answers.append(answer)
        self.error, self.ended = error or self.error, ended or self.ended
        news, self._news = self._news, asyncio.Event()
        news.set()

    def stop(self) -> None:
        """Stops the model. Readers of `latest` need not wait for its thread.

        Later calls do nothing: a second cancellation would end the wait for the thread, and leave the model running.
        """
        if self.task is not None and not self.ended and not self.stopped:
            self.task.cancel()
            self.stopped = True
            self._newer.set()

    async def follow(self) -> AsyncIterator[Answer | None]:
        """The answers from the first on as they come; None after PULSE_SECONDS without one. Raises its error."""
        place = 0
        while True:
            news = self._news
            while place < len(self.answers):
                place += 1
                yield self.answers[place - 1]
            if self.ended:
                if self.error is not None:
                    raise self.error
                return
            try:
                await asyncio.wait_for(news.wait(), PULSE_SECONDS)
            except TimeoutError:
                yield None

    async def latest(self, heartbeat: float) -> AsyncIterator[Answer | None]:
        """The first answer, then whatever is newest, drafts included; a slow reader misses what came between.

        None after `heartbeat` seconds without a new one. Ends with the answer or once it is stopped. Raises its error.
        """
        shown: Answer | None = None
        while True:
            newer = self._newer
            first = self.answers[0] if shown is None and self.answers else self.newest
            if first is not shown:
                shown = first
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


class Runs:
    """The answers that one assistant is writing."""

    def __init__(self, assistant: Assistant, slots: int, waiting: int, watch: Callable[[Answer], None]) -> None:
        """`watch` sees every final answer."""
        self.assistant, self.gate, self._watch = assistant, Gate(slots, waiting), watch
        self._threads = Threads(slots + max(2, os.cpu_count() or 2))  # for those at the model, and for the sources
        self._runs: dict[str, Run] = {}
        self._kept: list[str] = []

    def start(self, question: Question, *, keep: bool = False) -> Run:
        """Begins to answer. With `keep` it can be found and read again for a while. Raises Busy at once."""
        run = Run()
        place = self.gate.admitted()
        place.__enter__()  # left by the task, which may begin later
        run.task = asyncio.get_running_loop().create_task(self._answer(run, question))
        run.task.add_done_callback(lambda done: self._finished(run, done, place))
        self._runs[run.id] = run
        if keep:
            self._kept.append(run.id)
        return run

    async def _answer(self, run: Run, question: Question) -> None:
        ask = partial(self.assistant.stream, sampling=dict(question.sampling))
        answers = await self._threads.run(ask, question.text, question.filters, question.history)
        try:
            # Sources are found at once, whoever is at the model; then in line for it.
            run.tell(await self._threads.run(next, answers))
            async with self.gate.turn():
                while (answer := await self._threads.run(next, answers, None)) is not None:
                    run.tell(answer)
        finally:
            # Refused by a generator that a thread is still in: only when the loop itself ends, with the process.
            with suppress(ValueError):
                answers.close()  # type: ignore[attr-defined]
        self._watch(run.answers[-1])

    def _finished(self, run: Run, done: asyncio.Task[None], place: Any) -> None:
        place.__exit__(None, None, None)
        stopped = Ended("The answer was stopped. Ask again.")
        run.tell(error=stopped if done.cancelled() else done.exception(), ended=True)
        if run.id in self._kept:
            asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget, run.id)
            ended = [one for one in self._kept if self._runs[one].ended]
            for one in ended[: max(0, len(self._kept) - KEPT_RUNS)]:
                self._forget(one)
        else:
            self._forget(run.id)

    def _forget(self, run_id: str) -> None:
        self._runs.pop(run_id, None)
        if run_id in self._kept:
            self._kept.remove(run_id)

    def find(self, run_id: str) -> Run:
        """A run that goes on or ended a short while ago. Raises Ended."""
        if run_id not in self._runs:
            raise Ended("This answer stream is over and not kept any more. Ask the question again.")
        return self._runs[run_id]

    @asynccontextmanager
    async def reading(self, run: Run, *, grace: float = 0.0) -> AsyncIterator[Run]:
        """While it lasts, someone reads. `grace` seconds after the last reader left, the model is stopped."""
        run.readers += 1
        try:
            yield run
        finally:
            run.readers -= 1
            if grace and not run.ended:
                asyncio.get_running_loop().call_later(grace, self._stop_unread, run)
            else:
                self._stop_unread(run)

    def _stop_unread(self, run: Run) -> None:
        if not run.readers:
            run.stop()

    async def close(self) -> None:
        """Stops every answer and waits until the models have noticed, but not longer than PATIENCE_SECONDS."""
        running = [run for run in self._runs.values() if not run.ended]
        for run in running:
            run.stop()
        tasks = [run.task for run in running if run.task]
        if tasks:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        self._threads.close()


def _same_but_draft(one: Answer, other: Answer) -> bool:
    return one.hits is other.hits and len(one.sentences) == len(other.sentences) and one.answered == other.answered


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event. `kind`: sources, sentence, answer, error."""

    kind: str
    data: dict[str, Any]


def events(before: Answer | None, answer: Answer, *, last: bool) -> Iterator[Event]:
    """What is new in an answer since the one before it."""
    if before is None or before.hits != answer.hits:
        yield Event("sources", {
            "question": answer.question,
            "hits": [hit_data(hit) for hit in answer.hits],
            "coverage": coverage_data(answer.coverage),
            "model": answer.model,
        })  # fmt: skip
    if last:
        yield Event("answer", answer_data(answer))
        return
    known = len(before.sentences) if before else 0
    for index, sentence in enumerate(answer.sentences[known:], start=known):
        yield Event("sentence", {
            "index": index,
            "text": sentence.text,
            "verdict": sentence.verdict,
            "reason": sentence.reason,
            "citations": [citation_data(citation) for citation in sentence.citations],
        })  # fmt: skip


async def event_stream(answers: AsyncIterator[Answer | None]) -> AsyncIterator[Event | None]:
    """The events of a run, numbered by their order; None where a pulse is due.

    A run read twice gives the same events: that is what makes their numbers good for resuming.
    """
    before: Answer | None = None
    async for answer in answers:
        if answer is None:
            yield None
            continue
        for event in events(before, answer, last=is_final(answer)):
            yield event
        before = answer


def is_final(answer: Answer) -> bool:
    """Whether nothing follows this answer of a stream."""
    return answer.final


def turns(pairs: Sequence[tuple[str, str]]) -> tuple[Turn, ...]:
    """Earlier exchanges, those without an answer left out."""
    return tuple(Turn(question=question, answer=answer) for question, answer in pairs if question and answer)


def day_of(name: str, value: str | None) -> date | None:
    """The day that a field names. Raises QuestionError."""
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise QuestionError(f"{name} is '{value}', expected a day such as 2025-03-01.") from None


def outlets_data(assistant: Assistant) -> dict[str, Any]:
    """As rag.interfaces.shapes.OutletsData says."""
    catalog = assistant.archive.catalog
    return {
        "outlets": [{"outlet": name, "articles": count} for name, count in catalog.outlets().items()],
        "coverage": coverage_data(catalog.coverage()),
    }


def sound(text: str) -> str:
    """Without lone surrogates, which JSON can hold but no file or index."""
    return text.encode("utf-8", "replace").decode()
