"""Dateline for llama-index: a retriever, a query engine and a chat engine over an Assistant, and in the other
direction, an Assistant with a llama-index LLM or embedding model. llama-index's global Settings are never read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from datetime import date
from typing import Any

import numpy as np
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.base.response.schema import Response
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.chat_engine.types import AgentChatResponse, BaseChatEngine, StreamingAgentChatResponse
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.interfaces.json import answer_data, published
from rag.interfaces.text import checked_text, is_settled
from rag.models.archive_embedder import embedder_for
from rag.models.chat import HOSTED_EVIDENCE_TOKENS, Message, open_llm
from rag.models.embeddings import Embedder
from rag.schema import Answer, Filters, Hit, QuestionKind, Turn
from rag.settings import Settings


def node_of(hit: Hit) -> NodeWithScore:
    """A hit as a node: the passage with its place in the article, and what is known of the article."""
    passage, article = hit.passage, hit.passage.article
    node = TextNode(
        id_=passage.id,
        text=passage.text,
        start_char_idx=passage.start,
        end_char_idx=passage.end,
        metadata={
            "article_id": article.id,
            "title": article.title,
            "outlet": article.outlet,
            "published": published(article),
            "url": article.url,
        },
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=article.id)},
    )
    return NodeWithScore(node=node, score=hit.score)


class DatelineRetriever(BaseRetriever):  # type: ignore[misc]
    """The passages that `Assistant.search` finds, best first."""

    def __init__(
        self, assistant: Assistant, filters: Filters = Filters(), *, top_k: int | None = None, today: date | None = None
    ) -> None:
        """`today` as for `Assistant.search`."""
        self.assistant, self.filters, self.top_k, self.today = assistant, filters, top_k, today
        super().__init__(callback_manager=CallbackManager([]))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.assistant.search(query_bundle.query_str, self.filters, today=self.today, top_k=self.top_k)
        return [node_of(hit) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = await self.assistant.asearch(query_bundle.query_str, self.filters, today=self.today, top_k=self.top_k)
        return [node_of(hit) for hit in hits]


class DatelineQueryEngine(BaseQueryEngine):  # type: ignore[misc]
    """Answers of an Assistant: `response` is the text, `source_nodes` the hits, `metadata["dateline"]` all of it.

    `postprocessors` see the source nodes; the answer rests on what Dateline itself found.
    """

    def __init__(
        self,
        assistant: Assistant,
        filters: Filters = Filters(),
        *,
        postprocessors: Sequence[BaseNodePostprocessor] = (),
        today: date | None = None,
        kind: QuestionKind | None = None,
    ) -> None:
        """`today` and `kind` as for `Assistant.stream`."""
        self.assistant, self.filters, self.postprocessors = assistant, filters, postprocessors
        self.today, self.kind = today, kind
        super().__init__(callback_manager=CallbackManager([]))

    def _query(self, query_bundle: QueryBundle) -> Response:
        answer = self.assistant.ask(query_bundle.query_str, self.filters, today=self.today, kind=self.kind)
        return self._response(answer, query_bundle)

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        answer = await self.assistant.aask(query_bundle.query_str, self.filters, today=self.today, kind=self.kind)
        return self._response(answer, query_bundle)

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The nodes alone."""
        hits = self.assistant.search(query_bundle.query_str, self.filters, today=self.today)
        return self._processed([node_of(hit) for hit in hits], query_bundle)

    def _response(self, answer: Answer, query_bundle: QueryBundle) -> Response:
        nodes = self._processed([node_of(hit) for hit in answer.hits], query_bundle)
        return Response(checked_text(answer), source_nodes=nodes, metadata={"dateline": answer_data(answer)})

    def _processed(self, nodes: list[NodeWithScore], query_bundle: QueryBundle) -> list[NodeWithScore]:
        for postprocessor in self.postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_bundle)
        return nodes

    def _get_prompt_modules(self) -> dict[str, Any]:
        return {}  # the prompts cannot be replaced: the checks of the answer rely on them


class DatelineChatEngine(BaseChatEngine):  # type: ignore[misc]
    """A conversation with an Assistant, which remembers what was said. One engine is one conversation."""

    def __init__(self, assistant: Assistant, filters: Filters = Filters(), *, today: date | None = None) -> None:
        """`today` as for `Assistant.stream`."""
        self.assistant, self.filters, self.today = assistant, filters, today
        self._history: list[ChatMessage] = []

    @property
    def chat_history(self) -> list[ChatMessage]:
        """The conversation so far."""
        return list(self._history)

    def reset(self) -> None:
        """Forgets the conversation."""
        self._history = []

    def chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The whole answer."""
        return self._reply(
            message, self.assistant.ask(message, self.filters, self._turns(chat_history), today=self.today)
        )

    async def achat(self, message: str, chat_history: list[ChatMessage] | None = None) -> AgentChatResponse:
        """The whole answer."""
        return self._reply(
            message, await self.assistant.aask(message, self.filters, self._turns(chat_history), today=self.today)
        )

    def stream_chat(self, message: str, chat_history: list[ChatMessage] | None = None) -> StreamingAgentChatResponse:
        """Checked sentences as they come; the sources are there from the start."""
        answers = self.assistant.stream(message, self.filters, self._turns(chat_history), today=self.today)
        response = StreamingAgentChatResponse(is_writing_to_memory=False, source_nodes=_nodes(next(answers)))
        response.chat_stream = self._pieces(message, answers)
        return response

    async def astream_chat(
        self, message: str, chat_history: list[ChatMessage] | None = None
    ) -> StreamingAgentChatResponse:
        """Checked sentences as they come; the sources are there from the start."""
        answers = self.assistant.astream(message, self.filters, self._turns(chat_history), today=self.today)
        first = await anext(answers)
        response = StreamingAgentChatResponse(is_writing_to_memory=False, source_nodes=_nodes(first))
        response.achat_stream = self._async_pieces(message, answers)
        return response

    def _pieces(self, message: str, answers: Iterator[Answer]) -> Iterator[ChatResponse]:
        sent = ""
        with closing(answers):  # type: ignore[type-var]
            for answer in answers:
                if piece := self._next_piece(message, answer, sent):
                    sent = str(piece.message.content)
                    yield piece

    async def _async_pieces(self, message: str, answers: AsyncIterator[Answer]) -> AsyncIterator[ChatResponse]:
        sent = ""
        async with aclosing(answers):  # type: ignore[type-var]
            async for answer in answers:
                if piece := self._next_piece(message, answer, sent):
                    sent = str(piece.message.content)
                    yield piece

    def _next_piece(self, message: str, answer: Answer, sent: str) -> ChatResponse | None:
        """What is new in the settled text of an answer since `sent`, if anything; a final answer is remembered."""
        text = checked_text(answer) if is_settled(answer, self.assistant.llm) else ""
        if answer.final:
            self._remember(message, text)
        if len(text) <= len(sent):
            return None
        return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=text), delta=text[len(sent) :])

    def _reply(self, message: str, answer: Answer) -> AgentChatResponse:
        text = checked_text(answer)
        self._remember(message, text)
        return AgentChatResponse(
            response=text, source_nodes=_nodes(answer), metadata={"dateline": answer_data(answer)}
        )  # fmt: skip

    def _remember(self, message: str, text: str) -> None:
        self._history += [
            ChatMessage(role=MessageRole.USER, content=message),
            ChatMessage(role=MessageRole.ASSISTANT, content=text),
        ]

    def _turns(self, chat_history: list[ChatMessage] | None) -> list[Turn]:
        if chat_history is not None:
            self._history = list(chat_history)
        turns, question = [], ""
        for message in self._history:
            if message.role == MessageRole.USER:
                question = message.content or ""
            elif message.role == MessageRole.ASSISTANT and question:
                turns.append(Turn(question=question, answer=message.content or ""))
        return turns


def _nodes(answer: Answer) -> list[NodeWithScore]:
    return [node_of(hit) for hit in answer.hits]


# --- llama-index models for an Assistant ------------------------------------------------------------------


class LlamaLLM:
    """A llama-index LLM as the model of an Assistant; what it writes is checked like any other's."""

    judges = False

    def __init__(self, llm: LLM, *, evidence_tokens: int = 0) -> None:
        """`evidence_tokens` 0: as for hosted models, but at most a quarter of the context window."""
        self._llm = llm
        self.name = str(llm.metadata.model_name or llm.class_name())
        self.evidence_tokens = evidence_tokens or min(HOSTED_EVIDENCE_TOKENS, llm.metadata.context_window // 4)

    def stream(self, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
        """The reply piece by piece. Raises ModelUnavailable whatever the LLM raises."""
        sent = [ChatMessage(role=MessageRole(message.role), content=message.content) for message in messages]
        # Not every LLM takes the option with a call; those that have it as a field do.
        options = {"max_tokens": max_tokens} if "max_tokens" in type(self._llm).model_fields else {}
        try:
            pieces = self._llm.stream_chat(sent, **options)
            try:
                for count, piece in enumerate(pieces, start=1):
                    if piece.delta:
                        yield piece.delta
                    if count >= max_tokens:
                        break
            finally:
                close = getattr(pieces, "close", None)
                if close:
                    close()
        except Exception as error:
            line = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ModelUnavailable(
                f"The language model {self.name} failed: {line}. Ask again, or give the Assistant another."
            ) from error

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """None: llama-index gives no probabilities of words."""
        return None

    def close(self) -> None:
        """Does nothing: the LLM belongs to the caller."""


class LlamaEmbedder:
    """A llama-index embedding model as the embedder of an archive. The archive remembers its name."""

    def __init__(self, model: BaseEmbedding) -> None:
        self._model = model
        self.name = f"llama-index/{model.model_name}"
        self._dim = 0

    @property
    def dim(self) -> int:
        """Numbers in a vector, found by embedding a word."""
        self._dim = self._dim or self.embed_queries(["dimension"]).shape[1]
        return self._dim

    def embed_queries(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable."""
        return self._rows(lambda: [self._model.get_query_embedding(text) for text in texts], texts)

    def embed_passages(self, texts: Sequence[str]) -> np.ndarray:
        """(n, dim) float32, rows of norm 1. Raises ModelUnavailable."""
        return self._rows(lambda: self._model.get_text_embedding_batch(list(texts)), texts)

    def _rows(self, embed: Callable[[], list[list[float]]], texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.zeros((0, self.dim), dtype=np.float32)
        try:
            rows = np.asarray(embed(), dtype=np.float32)
        except Exception as error:
            raise ModelUnavailable(f"The embedding model {self.name} failed: {error}. Ask again.") from error
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: np.ndarray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        return unit


def open_assistant(
    data_dir: Any = None,
    *,
    llm: LLM | None = None,
    embed_model: BaseEmbedding | None = None,
    settings: Settings | None = None,
) -> Assistant:
    """The assistant of an archive with llama-index models in place of those that the settings name.

    Raises ArchiveMismatch when the archive was embedded by another model.
    """
    settings = settings or Settings.load(data_dir=data_dir)
    archive = Archive(settings)
    try:
        embedder: Embedder = (
            LlamaEmbedder(embed_model) if embed_model is not None else embedder_for(settings, lambda: archive.model)
        )
        model = LlamaLLM(llm, evidence_tokens=settings.evidence_tokens) if llm is not None else open_llm(settings)
        return Assistant(archive, embedder, model, settings)
    except BaseException:
        archive.close()
        raise
