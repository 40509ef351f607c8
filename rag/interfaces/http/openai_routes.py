"""The routes for OpenAI's clients: chat completions, embeddings, models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from rag.interfaces.http.ask_routes import final_answer, first_state
from rag.interfaces.http.bodies import EVENTS, HEARTBEAT, Json, Replies, openai_errors, parsed
from rag.interfaces.http.errors import HttpError, client_message, status_of
from rag.interfaces.http.middleware import log_question, openai_error
from rag.interfaces.http.openai_requests import CHAT_MODEL, check_model, parse_chat, parse_embedding
from rag.schema import Citation
from rag.serving.answer_queue import AnswerQueue, QueuedAnswer

if TYPE_CHECKING:
    from types import ModuleType

    from rag.interfaces.http.openai_replies import CompletionChunks, Link


def _replies() -> ModuleType:
    """The module that builds replies, imported at the first request: the types of OpenAI take half a second."""
    from rag.interfaces.http import openai_replies

    return openai_replies


class OpenAIRoutes:
    """The routes under /v1, over the same queue as all others."""

    def __init__(self, queue: AnswerQueue) -> None:
        self.queue, self.assistant = queue, queue.assistant
        self.began = int(time.time())

    def add_routes(self, app: FastAPI) -> None:
        """Everything under /v1."""

        def shape(example: dict[str, Any]) -> dict[str, Any]:
            schema = {"type": "object", "required": list(example)}
            body = {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
            return {"requestBody": body}

        anything = {"application/json": {"schema": {"type": "object"}}}
        found: Replies = {200: {"content": anything}}
        chat: Replies = {200: {"content": anything | EVENTS}}
        asking = {"model": "dateline", "messages": [{"role": "user", "content": "Where did the ferry run aground?"}]}
        app.add_api_route(
            "/v1/chat/completions", self.chat, methods=["POST"], responses=chat | openai_errors(),
            openapi_extra=shape(asking), summary="OpenAI-compatible; sources as annotations and under 'dateline'",
        )  # fmt: skip
        app.add_api_route(
            "/v1/embeddings", self.embeddings, methods=["POST"], responses=found | openai_errors(),
            openapi_extra=shape({"model": self.assistant.embedder.name, "input": ["harbour strike"]}),
            summary="OpenAI-compatible; the archive's own embedder",
        )  # fmt: skip
        app.add_api_route(
            "/v1/models", self.models, methods=["GET"], responses=found | openai_errors(), summary="OpenAI-compatible"
        )
        app.add_api_route(
            "/v1/models/{model:path}", self.model, methods=["GET"], responses=found | openai_errors(),
            summary="OpenAI-compatible",
        )  # fmt: skip

    async def chat(self, request: Request) -> Response:
        """A chat completion. Citations are annotations of the message; 'dateline' holds the whole answer.

        `temperature`, `top_p`, `seed` and the penalties go to the model that writes; without them it writes greedily.
        What cannot be honoured is refused with a 400 that says why; what has no effect is under `dateline.ignored`.
        `usage` and `max_tokens` count four bytes a token, of the messages sent and of the reply, not of the evidence.
        """
        body = _json_body(request, await request.body())
        check_model(body, (CHAT_MODEL, self.assistant.model))
        chat = parse_chat(body, self.assistant.llm)
        if self.assistant.settings.log_questions:
            log_question(request.state.request_id, chat.asked.question)
        replies = await asyncio.to_thread(_replies)
        queued = self.queue.start(chat.asked)
        link = _link(request)
        if chat.stream:
            await first_state(self.queue, queued)
            chunks = replies.CompletionChunks(chat, queued.id, int(time.time()), link, self.assistant.llm)
            return StreamingResponse(self._encoded(queued, chunks), media_type="text/event-stream")
        answer = await final_answer(self.queue, queued, request)
        if answer is None:
            return Response(status_code=499)
        return Json(replies.completion(answer, chat, queued.id, int(time.time()), link))

    async def _encoded(self, queued: QueuedAnswer, chunks: CompletionChunks) -> AsyncIterator[bytes]:
        async with self.queue.reading(queued):
            try:
                async for answer in queued.follow():
                    if answer is None:
                        yield HEARTBEAT
                        continue
                    for chunk in chunks.of(answer):
                        yield format_sse_event(data_str=json.dumps(chunk))
                yield format_sse_event(data_str="[DONE]")
            except Exception as error:
                detail = client_message(error, self.assistant.archive.folder)
                yield format_sse_event(data_str=json.dumps(openai_error(error, status_of(error), detail)))

    async def embeddings(self, request: Request) -> Response:
        """Vectors of the archive's own embedder, of norm 1."""
        body = _json_body(request, await request.body())
        embedder = self.assistant.embedder
        check_model(body, (embedder.name,))
        async with self.queue.search_slot():
            asked = parse_embedding(body, await asyncio.to_thread(lambda: embedder.dim))
            embed = embedder.embed_queries if asked.as_query else embedder.embed_passages
            vectors = await asyncio.to_thread(embed, asked.texts)
        replies = await asyncio.to_thread(_replies)
        return Json(replies.embeddings(vectors, asked, embedder.name))

    def models(self) -> Response:
        """The assistant as a chat model, and the embedder."""
        return Json({"object": "list", "data": _replies().models(self.assistant.embedder.name, self.began)})

    def model(self, model: str) -> Response:
        """One of the models."""
        known = {one["id"]: one for one in _replies().models(self.assistant.embedder.name, self.began)}
        check_model({"model": model}, tuple(known))
        return Json(known[model])


def _json_body(request: Request, body: bytes) -> object:
    # Browsers send text/plain to other sites without a preflight, so a form on any web page could ask questions.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "The content type must be application/json.")
    return parsed(body)


def _link(request: Request) -> Link:
    """Links citations to their outlet, or where no address is known, to the article page of this server."""
    base = str(request.base_url).rstrip("/")

    def link(citation: Citation) -> str:
        article = citation.passage.article
        place = f"?version={article.version}&start={citation.start}&end={citation.end}"
        return article.url or f"{base}/article/{quote(article.id)}{place}"

    return link
