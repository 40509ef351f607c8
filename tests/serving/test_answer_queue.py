"""The queue of answers: its limits, its readers, and how answers are stopped."""

from __future__ import annotations

import asyncio

import pytest
from conftest import Asked
from fakes import ScriptedLLM, WordEmbedder

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import AnswerGone, Busy
from rag.schema import Answer
from rag.serving.answer_queue import AnswerQueue, AnswerRequest
from rag.serving.concurrency import ConcurrencyLimit
from rag.settings import Settings

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn. Nobody was hurt."


def test_a_limit_admits_its_slots_and_its_line_and_says_when_to_come_back() -> None:
    limit = ConcurrencyLimit(slots=2, line=1)
    for _ in range(3):
        limit.admit()
    with pytest.raises(Busy) as refused:
        limit.admit()
    assert refused.value.retry_seconds == 1  # 3 admitted requests of 1 second each in 2 slots, halved, rounded up
    assert (limit.running, limit.waiting) == (0, 3)
    limit.release()
    limit.admit()


def test_what_holds_a_slot_is_not_waiting() -> None:
    async def inside() -> tuple[int, int]:
        limit = ConcurrencyLimit(slots=1, line=1)
        with limit.admission():
            async with limit.slot():
                limit.admit()
                return limit.running, limit.waiting

    assert asyncio.run(inside()) == (1, 1)


def test_an_answer_is_counted_once_and_its_place_is_free_again(assistant: Asked) -> None:
    counted: list[Answer] = []

    async def ask() -> tuple[Answer, int]:
        queue = AnswerQueue(assistant(REPLY), counted.append)
        answer = await queue.ask(AnswerRequest(question=QUESTION))
        await asyncio.sleep(0)  # the task's callback runs after its readers
        return answer, queue.limit.admitted

    answer, admitted = asyncio.run(ask())
    assert answer.final
    assert counted == [answer]
    assert admitted == 0


def test_an_answer_is_kept_only_where_that_was_asked_for(assistant: Asked) -> None:
    async def find() -> None:
        queue = AnswerQueue(assistant(extraction=True))
        kept = queue.start(AnswerRequest(question=QUESTION), keep=True)
        dropped = queue.start(AnswerRequest(question=QUESTION))
        for queued in (kept, dropped):
            async with queue.reading(queued):
                assert [state async for state in queued.follow()][-1].final  # type: ignore[union-attr]
        await asyncio.sleep(0)
        assert queue.find(kept.id).last.final
        with pytest.raises(AnswerGone):
            queue.find(dropped.id)

    asyncio.run(find())


def test_an_answer_without_readers_is_stopped(stored: Archive) -> None:
    llm = ScriptedLLM("The ferry " * 400, seconds_a_word=0.01)
    one = Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none"))

    async def leave() -> None:
        queue = AnswerQueue(one)
        queued = queue.start(AnswerRequest(question=QUESTION))
        async with queue.reading(queued):
            async for _ in queued.follow():
                break
        assert queued.task is not None
        await asyncio.wait({queued.task})
        with pytest.raises(AnswerGone, match="stopped"):
            async for _ in queued.follow():
                pass

    asyncio.run(leave())
    assert llm.streamed < 400


def test_a_question_that_cannot_be_asked_frees_its_place(assistant: Asked) -> None:
    async def fail() -> int:
        queue = AnswerQueue(assistant(extraction=True))
        with pytest.raises(Exception, match="The question is empty"):
            await queue.ask(AnswerRequest(question=" "))
        await asyncio.sleep(0)
        return queue.limit.admitted

    assert asyncio.run(fail()) == 0
