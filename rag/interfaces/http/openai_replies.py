"""Answers in OpenAI's shapes, built with openai.types, so that a client that knows only those keeps every source.

The fields that OpenAI does not have, `dateline` and the annotations of a chunk, are extra fields of those types.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from openai.types import CompletionUsage, CreateEmbeddingResponse, Model, create_embedding_response
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessage, chat_completion
from openai.types.chat import chat_completion_chunk as chunks
from openai.types.chat.chat_completion_message import Annotation, AnnotationURLCitation

from rag.interfaces.http.openai_requests import CHAT_MODEL, ChatRequest, EmbeddingRequest, count_tokens
from rag.interfaces.json import answer_data, coverage_data, hit_data
from rag.interfaces.text import as_markdown, is_settled, layout, sentence_text, warning
from rag.models.chat import LLM
from rag.schema import Answer, Citation, Sentence

Link = Callable[[Citation], str]  # where a citation can be read


@dataclass(frozen=True, slots=True)
class Message:
    """An answer as the text of a message. `places` are its sentences with their start and end in the text."""

    text: str
    places: tuple[tuple[int, int, Sentence], ...] = ()
    finish_reason: str = "stop"


def message_of(answer: Answer, request: ChatRequest) -> Message:
    """The message for an answer, cut where `stop` or `max_tokens` say. A refusal is a message too."""
    text, places = "", []
    separator, mark = layout(answer)
    for sentence in answer.sentences:
        text += (separator if text else "") + mark
        start = len(text)
        text += sentence_text(replace(sentence, text=as_markdown(sentence.text)))
        places.append((start, len(text), sentence))
    return _cut(Message(text if places else as_markdown(answer.refusal), tuple(places)), request)


def _cut(whole: Message, request: ChatRequest) -> Message:
    end, reason = len(whole.text), "stop"
    if request.max_tokens is not None and count_tokens(whole.text) > request.max_tokens:
        end = len(whole.text.encode()[: request.max_tokens * 4].decode("utf-8", "ignore"))
        reason = "length"
    stops = [place for stop in request.stop if (place := whole.text.find(stop)) >= 0]
    if stops and min(stops) <= end:
        end, reason = min(stops), "stop"
    for start, stop, sentence in whole.places:
        if start < end < stop and sentence.verdict != "supported":
            end = start  # such a sentence without its warning would look supported
    kept = tuple((start, min(stop, end), sentence) for start, stop, sentence in whole.places if start < end)
    return Message(whole.text[:end], kept, reason)


def url_citations(message: Message, link: Link) -> list[Annotation]:
    """One for each citation of each sentence: the span of the sentence in the text, and the source.

    A contradicted sentence has its warning as the span: the source does not support the sentence.
    """
    return [
        Annotation(
            type="url_citation",
            url_citation=AnnotationURLCitation(
                start_index=_cited_from(start, end, sentence),
                end_index=end,
                url=link(citation),
                title=citation.passage.article.title,
            ),
        )
        for start, end, sentence in message.places
        for citation in sentence.citations
    ]


def _cited_from(start: int, end: int, sentence: Sentence) -> int:
    return end - len(warning(sentence)) if sentence.verdict == "contradicted" else start


def usage(message: Message, request: ChatRequest) -> CompletionUsage:
    """Tokens of the caller's messages and of the reply, as `count_tokens` counts; not of the evidence behind it."""
    completion = count_tokens(message.text)
    return CompletionUsage(
        prompt_tokens=request.prompt_tokens,
        completion_tokens=completion,
        total_tokens=request.prompt_tokens + completion,
    )


def completion(answer: Answer, request: ChatRequest, answer_id: str, created: int, link: Link) -> dict[str, Any]:
    """A whole chat completion."""
    message = message_of(answer, request)
    said = ChatCompletionMessage(
        role="assistant", content=message.text, refusal=None, annotations=url_citations(message, link)
    )
    choice = chat_completion.Choice(index=0, message=said, finish_reason=message.finish_reason, logprobs=None)
    return _dumped(
        ChatCompletion(
            id=f"chatcmpl-{answer_id}",
            object="chat.completion",
            created=created,
            model=CHAT_MODEL,
            choices=[choice],
            usage=usage(message, request),
            dateline=_extra(answer, request),
        )
    )


def _extra(answer: Answer, request: ChatRequest) -> dict[str, Any]:
    """The field `dateline`: the whole answer, and which fields of the request had no effect."""
    return {**answer_data(answer), "ignored": request.ignored}


def _dumped(reply: Any) -> dict[str, Any]:
    """The fields that were set, and no others, as JSON values."""
    data: dict[str, Any] = reply.model_dump(mode="json", exclude_unset=True)
    return data


class CompletionChunks:
    """A chat completion in pieces. A client cannot take back what it was sent, so only settled text is sent."""

    def __init__(self, request: ChatRequest, answer_id: str, created: int, link: Link, llm: LLM | None) -> None:
        """`llm` is what writes the answer: it decides when text is settled (rag.interfaces.text.is_settled)."""
        self._request, self._link, self._llm = request, link, llm
        self._id, self._created = f"chatcmpl-{answer_id}", created
        self._sent = ""
        self._began = False

    def of(self, answer: Answer) -> Iterator[dict[str, Any]]:
        """The chunks for the next state of the answer: first the sources, then text, at the end the whole answer."""
        if not self._began:
            self._began = True
            sources = {"hits": [hit_data(hit) for hit in answer.hits], "coverage": coverage_data(answer.coverage)}
            yield self._chunk(chunks.ChoiceDelta(role="assistant", content=""), dateline=sources)
        if not is_settled(answer, self._llm):
            return
        message = message_of(answer, self._request)
        held = 0 if answer.final else _held_back(message, self._request.stop)
        text = message.text[: len(message.text) - held]
        if len(text) > len(self._sent):
            yield self._chunk(chunks.ChoiceDelta(content=text[len(self._sent) :]))
            self._sent = text
        if answer.final:
            yield from self._end(answer, message)

    def _end(self, answer: Answer, message: Message) -> Iterator[dict[str, Any]]:
        delta = chunks.ChoiceDelta(annotations=[_dumped(one) for one in url_citations(message, self._link)])
        yield self._chunk(delta, finish=message.finish_reason, dateline=_extra(answer, self._request))
        if self._request.with_usage:
            yield self._head(choices=[], usage=usage(message, self._request))

    def _chunk(self, delta: Any, finish: str | None = None, **extra: Any) -> dict[str, Any]:
        choice = chunks.Choice(index=0, delta=delta, finish_reason=finish, logprobs=None)
        return self._head(choices=[choice], **extra)

    def _head(self, **fields: Any) -> dict[str, Any]:
        return _dumped(
            ChatCompletionChunk(
                id=self._id, object="chat.completion.chunk", created=self._created, model=CHAT_MODEL, **fields
            )
        )


def _held_back(message: Message, stops: Sequence[str]) -> int:
    """How many characters at the end of the text may be the beginning of a stop text."""
    text = message.text
    beginnings = (stop[:n] for stop in stops for n in range(1, min(len(stop), len(text) + 1)))
    return max((len(one) for one in beginnings if text.endswith(one)), default=0)


def models(embedder: str, created: int) -> list[dict[str, Any]]:
    """What /v1/models lists: the assistant as a chat model, and the embedder."""
    return [
        _dumped(Model(id=name, object="model", created=created, owned_by="dateline")) for name in (CHAT_MODEL, embedder)
    ]


def embeddings(vectors: np.ndarray, request: EmbeddingRequest, model: str) -> dict[str, Any]:
    """The vectors, (n, dim), as lists of floats or as base64 of little-endian float32."""
    tokens = sum(count_tokens(text) for text in request.texts)
    reply = CreateEmbeddingResponse(
        object="list",
        model=model,
        data=[],
        usage=create_embedding_response.Usage(prompt_tokens=tokens, total_tokens=tokens),
    )
    # Filled in as plain values: the type knows only floats, and validating millions of them takes seconds.
    rows = [
        {
            "object": "embedding",
            "index": index,
            "embedding": b64encode(row.tobytes()).decode() if request.as_base64 else row.tolist(),
        }
        for index, row in enumerate(vectors.astype("<f4"))
    ]
    return _dumped(reply) | {"data": rows}
