"""What happens before the first question: imports without the garbage collector, the models warmed up."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence

import pytest
from fakes import ScriptedLLM, WordEmbedder

import app
from rag.answering import prompts
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.models.chat import Message
from rag.schema import Article
from rag.settings import Settings


def test_the_collector_rests_during_the_start_and_leaves_out_what_was_imported() -> None:
    before = gc.get_freeze_count()
    try:
        with app._without_collector():
            assert not gc.isenabled()
        assert gc.isenabled()
        assert gc.get_freeze_count() > before + 1000
    finally:
        gc.unfreeze()
        gc.enable()


def opened(stored: Archive, llm: ScriptedLLM) -> Assistant:
    return Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none"))


def test_the_warm_up_asks_the_model_for_the_constant_part_of_every_prompt(stored: Archive) -> None:
    llm = ScriptedLLM(probability=0.5)
    opened(stored, llm).warm_up()
    (asked,) = llm.asked
    found = [(Article(id="a", title="Rain", text=""), "It rained.")]
    later = [prompts.judge("Did it rain?", found, ()), prompts.answer("Did it rain?", found, (), may_refuse=False)]
    assert [messages[0] for messages in later] == [asked[0]] * 2
    assert asked[1].role == "user"
    assert len(asked[1].content) < 5  # what follows is not part of any other prompt


def test_a_model_that_fails_fails_the_warm_up(stored: Archive) -> None:
    class Absent(ScriptedLLM):
        def probability(self, messages: Sequence[Message], word: str) -> float | None:
            raise ModelUnavailable("The model left.")

    with pytest.raises(ModelUnavailable, match="The model left"):
        opened(stored, Absent()).warm_up()


def test_the_warm_up_lets_something_else_go_first_once_the_model_computes(
    stored: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, urgent = threading.Event(), threading.Event()

    class Computing(ScriptedLLM):
        def probability(self, messages: Sequence[Message], word: str) -> float | None:
            asked.set()
            return 0.5

    embedder = WordEmbedder()
    monkeypatch.setattr(embedder, "embed_queries", lambda texts: urgent.is_set() or pytest.fail("it came first"))
    monkeypatch.setattr("rag.assistant.KindReader.kind_of", lambda _, text, embedder: embedder.embed_queries([text]))
    assistant = Assistant(stored, embedder, Computing(), Settings(data_dir=stored.folder, llm="none"))
    assistant.warm_up(first=lambda: asked.wait(10) and urgent.set())
    assert urgent.is_set()
