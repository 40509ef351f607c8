"""Dateline inside llama-index, and llama-index's models inside Dateline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Asked
from fakes import WordEmbedder
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, LLMMetadata
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.schema import QueryBundle

from ingest.pipeline import ingest
from rag.errors import ArchiveMismatch, ModelUnavailable
from rag.interfaces.json import answer_data
from rag.interfaces.llama_index import (
    DatelineChatEngine,
    DatelineQueryEngine,
    DatelineRetriever,
    LlamaEmbedder,
    LlamaLLM,
    open_assistant,
)
from rag.interfaces.text import checked_text
from rag.models.chat import Message
from rag.schema import Article, Filters
from rag.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn. It carried 500 horses."


class Words(BaseEmbedding):  # type: ignore[misc]
    """The word embedder of the tests as a llama-index embedding, not normalised."""

    def _get_query_embedding(self, query: str) -> list[float]:
        return [float(3 * number) for number in WordEmbedder().embed_queries([query])[0]]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_query_embedding(text)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


class Parrot(CustomLLM):  # type: ignore[misc]
    """Says `reply` whatever it is asked; fails when it has none."""

    reply: str = REPLY

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="parrot", context_window=4000)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=self.reply)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        if not self.reply:
            raise ConnectionError("nobody is there\nat all")
        words, text = self.reply.split(" "), ""
        for number, word in enumerate(words):
            delta = word if number == len(words) - 1 else f"{word} "
            text += delta
            yield CompletionResponse(text=text, delta=delta)


def test_the_retriever_gives_passages_with_their_place(assistant: Asked) -> None:
    one = assistant(extraction=True)
    nodes = DatelineRetriever(one, top_k=3).retrieve(QUESTION)
    hits = one.search(QUESTION, top_k=3)
    assert [(n.node.node_id, n.score) for n in nodes] == [(h.passage.id, h.score) for h in hits]
    first, article = nodes[0].node, hits[0].passage.article
    assert article.text[first.start_char_idx : first.end_char_idx] == first.get_content()
    assert first.metadata["title"] == article.title
    assert first.source_node.node_id == article.id
    narrowed = DatelineRetriever(one, Filters(outlets=("Corvane Ledger",))).retrieve("key rate")
    assert {node.node.metadata["outlet"] for node in narrowed} == {"Corvane Ledger"}


def test_it_works_in_a_query_engine_of_llama_index(assistant: Asked) -> None:
    engine = RetrieverQueryEngine(
        retriever=DatelineRetriever(assistant(extraction=True), top_k=2),
        response_synthesizer=get_response_synthesizer(llm=Parrot(), response_mode=ResponseMode.COMPACT),
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=0.0)],
    )
    response = engine.query(QUESTION)
    assert str(response) == REPLY
    assert len(response.source_nodes) == 2


def test_the_query_engine_gives_text_sources_and_the_whole_answer(assistant: Asked) -> None:
    expected = assistant(REPLY).ask(QUESTION)
    response = DatelineQueryEngine(assistant(REPLY)).query(QUESTION)
    assert str(response) == checked_text(expected)
    assert str(response).endswith("It carried 500 horses. [unsupported]")
    assert {**response.metadata["dateline"], "timings": 0} == {**answer_data(expected), "timings": 0}
    assert [node.node.node_id for node in response.source_nodes] == [hit.passage.id for hit in expected.hits]


def test_postprocessors_see_the_source_nodes(assistant: Asked) -> None:
    all_of_it = [SimilarityPostprocessor(similarity_cutoff=1000.0)]
    engine = DatelineQueryEngine(assistant(extraction=True), postprocessors=all_of_it)
    assert engine.query(QUESTION).source_nodes == []
    assert engine.retrieve(QueryBundle(QUESTION)) == []


def test_the_async_ways_say_the_same(assistant: Asked) -> None:
    one = assistant(extraction=True)

    async def both() -> tuple[str, list[str]]:
        response = await DatelineQueryEngine(one).aquery(QUESTION)
        nodes = await DatelineRetriever(one).aretrieve(QUESTION)
        return str(response), [node.node.node_id for node in nodes]

    text, ids = asyncio.run(both())
    assert text == str(DatelineQueryEngine(one).query(QUESTION))
    assert ids == [node.node.node_id for node in DatelineRetriever(one).retrieve(QUESTION)]


def test_a_chat_remembers_and_forgets(assistant: Asked) -> None:
    chat = DatelineChatEngine(assistant(extraction=True))
    first = chat.chat(QUESTION)
    assert first.metadata["dateline"]["answered"]
    follow_up = chat.chat("Who was hurt?")
    assert follow_up.source_nodes[0].node.metadata["article_id"] in ("a1", "a2")
    assert [message.content for message in chat.chat_history[:2]] == [QUESTION, first.response]
    chat.reset()
    assert chat.chat_history == []


def test_a_chat_takes_a_history_from_elsewhere(assistant: Asked) -> None:
    history = [ChatMessage(role="user", content=QUESTION), ChatMessage(role="assistant", content="Off Port Selwyn.")]
    reply = DatelineChatEngine(assistant(extraction=True)).chat("Who was hurt?", history)
    assert reply.source_nodes[0].node.metadata["article_id"] in ("a1", "a2")


@pytest.mark.parametrize("belief", [None, 0.9])
def test_a_streamed_chat_says_the_same_with_the_sources_first(assistant: Asked, belief: float | None) -> None:
    expected = DatelineChatEngine(assistant(REPLY, belief=belief)).chat(QUESTION)
    chat = DatelineChatEngine(assistant(REPLY, belief=belief))
    response = chat.stream_chat(QUESTION)
    assert [n.node.node_id for n in response.source_nodes] == [n.node.node_id for n in expected.source_nodes]
    pieces = list(response.response_gen)
    assert "".join(pieces) == expected.response
    assert chat.chat_history[-1].content == expected.response


def test_an_async_streamed_chat_says_the_same(assistant: Asked) -> None:
    expected = DatelineChatEngine(assistant(REPLY)).chat(QUESTION).response

    async def streamed() -> str:
        response = await DatelineChatEngine(assistant(REPLY)).astream_chat(QUESTION)
        return "".join([piece async for piece in response.async_response_gen()])

    assert asyncio.run(streamed()) == expected


def test_what_is_withheld_at_the_end_was_never_streamed(assistant: Asked) -> None:
    chat = DatelineChatEngine(assistant("Zebras won the Lunada cup. They ate 12 cakes."))
    assert "".join(chat.stream_chat(QUESTION).response_gen).startswith("The archive does not answer this.")


def test_a_llama_index_llm_writes_and_is_checked(assistant: Asked) -> None:
    one = assistant()
    one.llm = LlamaLLM(Parrot())
    answer = one.ask(QUESTION)
    assert answer.model == "parrot"
    assert [sentence.verdict for sentence in answer.sentences] == ["supported", "unsupported"]
    assert LlamaLLM(Parrot()).evidence_tokens == 1000  # a quarter of its window


def test_a_llama_index_llm_is_cut_at_max_tokens_and_its_failure_is_one_line() -> None:
    ask = [Message("user", "Speak.")]
    assert len(list(LlamaLLM(Parrot()).stream(ask, 4))) == 4
    with pytest.raises(ModelUnavailable, match="^The language model parrot failed: nobody is there. Ask again"):
        list(LlamaLLM(Parrot(reply="")).stream(ask, 4))


def test_a_llama_index_embedding_makes_and_searches_an_archive(tmp_path: Path, articles: Sequence[Article]) -> None:
    settings = Settings(data_dir=tmp_path / "archive", llm="none")
    with open_assistant(settings=settings, embed_model=Words(model_name="words"), llm=Parrot()) as one:
        ingest(articles, one.archive, one.embedder)
        answer = one.ask(QUESTION)
        assert answer.sentences[0].citations[0].passage.article.id in ("a1", "a2")
        assert one.archive.catalog.get_meta("embedder") == "llama-index/words"
    with pytest.raises(ArchiveMismatch, match="llama-index/words"):
        open_assistant(settings=settings, embed_model=Words(model_name="other"))


def test_its_vectors_have_norm_one() -> None:
    embedder = LlamaEmbedder(Words(model_name="words"))
    assert embedder.dim == 256
    assert embedder.embed_passages([]).shape == (0, 256)
    rows = embedder.embed_passages(["one two", "three"])
    assert np.allclose(rows, WordEmbedder().embed_passages(["one two", "three"]), atol=1e-6)
