"""The routes for OpenAI's clients: chat completions, embeddings, models. The shapes are in openai_format."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from rag.interfaces.http import openai_format as openai_api
from rag.interfaces.http.ask_routes import Asking
from rag.interfaces.http.bodies import EVENTS, Json, Narrowed, Replies, openai_errors, parsed
from rag.interfaces.http.errors import Refused, said, status_of
from rag.interfaces.http.middleware import openai_error
from rag.schema import Citation, Filters
from rag.serving.answer_queue import GRACE_SECONDS, Run, is_final


class OpenAIRoutes:
    """The same assistant, queue and desk as the routes that ask."""

    def __init__(self, asking: Asking) -> None:
        self.asking, self.assistant, self.runs = asking, asking.assistant, asking.runs
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
        body = _body(request, await request.body())
        openai_api.check_model(body, (openai_api.CHAT_MODEL, self.assistant.model))
        asked = openai_api.parse_chat(body, _filters, self.assistant.llm)
        self.asking.note(request, asked.question.text)
        run = self.runs.start(asked.question)
        link = _link(request)
        if asked.stream:
            async with self.runs.reading(run, grace=GRACE_SECONDS), aclosing(run.follow()) as answers:  # type: ignore[type-var]
                async for _ in answers:
                    break
            return StreamingResponse(self._chunks(run, asked, link), media_type="text/event-stream")
        answer = await self.asking.final(run, request)
        if answer is None:
            return Response(status_code=499)
        return Json(openai_api.completion(answer, asked, run.id, int(time.time()), link))

    async def _chunks(
        self, run: Run, asked: openai_api.ChatRequest, link: Callable[[Citation], str]
    ) -> AsyncIterator[str]:
        firm = self.assistant.llm is None or not self.assistant.llm.judges
        chunks = openai_api.Chunks(asked, run.id, int(time.time()), link, firm=firm)
        async with self.runs.reading(run):
            try:
                async for answer in run.follow():
                    if answer is None:
                        yield ": still at it\n\n"
                        continue
                    for chunk in chunks.final(answer) if is_final(answer) else chunks.grown(answer):
                        yield f"data: {json.dumps(chunk)}\n\n"
                yield "data: [DONE]\n\n"
            except Exception as error:
                detail = said(error, self.assistant.archive.folder)
                yield f"data: {json.dumps(openai_error(error, status_of(error), detail))}\n\n"

    async def embeddings(self, request: Request) -> Response:
        """Vectors of the archive's own embedder, of norm 1."""
        body = _body(request, await request.body())
        embedder = self.assistant.embedder
        openai_api.check_model(body, (embedder.name,))
        with self.asking.desk.admitted():
            async with self.asking.desk.turn():
                asked = openai_api.parse_embedding(body, await asyncio.to_thread(lambda: embedder.dim))
                embed = embedder.embed_queries if asked.as_query else embedder.embed_passages
                vectors = await asyncio.to_thread(embed, asked.texts)
        return Json(openai_api.embeddings(vectors, asked, embedder.name))

    def models(self) -> Response:
        """The assistant as a chat model, and the embedder."""
        return Json({"object": "list", "data": openai_api.models(self.assistant.embedder.name, self.began)})

    def model(self, model: str) -> Response:
        """One of the models."""
        known = {one["id"]: one for one in openai_api.models(self.assistant.embedder.name, self.began)}
        openai_api.check_model({"model": model}, tuple(known))
        return Json(known[model])


def _filters(restriction: Mapping[str, Any]) -> Filters:
    """The filters in the extra field of a chat completion. Raises Unfit."""
    names = ("since", "until", "outlets", "languages", "authors")
    for name, value in restriction.items():
        lists = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if name not in names or not (isinstance(value, str) if name in names[:2] else lists):
            raise openai_api.Unfit(
                "dateline",
                f"'dateline.{name[:40]}' cannot be used: expected days as text in since and until, "
                "lists of names in outlets, languages and authors.",
            )
    return Narrowed(**restriction).filters


def _body(request: Request, body: bytes) -> object:
    # Without this, a form on any web page could ask: browsers send text/plain without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "The content type must be application/json.")
    return parsed(body)


def _link(request: Request) -> Callable[[Citation], str]:
    """Where a citation is read: at its outlet, or in this archive."""
    base = str(request.base_url).rstrip("/")

    def link(citation: Citation) -> str:
        article = citation.passage.article
        place = f"?version={article.version}&start={citation.start}&end={citation.end}"
        return article.url or f"{base}/article/{quote(article.id)}{place}"

    return link
