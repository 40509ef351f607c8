"""Request and response bodies over HTTP, and what the OpenAPI document says of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Body
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import TypeAdapter

from rag.errors import InvalidJson
from rag.interfaces.events import AnswerEvent
from rag.interfaces.filters import filters_from
from rag.interfaces.json import ProblemData
from rag.schema import Filters, QuestionKind

DAY = {"format": "date", "examples": ["2025-03-01"]}
_CLOSED = {"extra": "forbid"}
Names = Annotated[list[str], Body(max_length=100)]
Day = Annotated[str | None, Body(json_schema_extra=DAY)]
Today = Annotated[
    str | None,
    Body(json_schema_extra=DAY, description='the day from which "last week" is seen; null: the current day'),
]

Kind = Annotated[
    QuestionKind | None,
    Body(description='the form of the answer, "fact" for a plain one; null: the question tells'),
]


class Json(JSONResponse):
    """JSON of any strings: a lone surrogate, which broken escapes can leave behind, becomes `?`."""

    def render(self, content: Any) -> bytes:
        """The bytes to send."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class EventStream(StreamingResponse):
    """Server-sent events that no cache and no proxy holds back."""

    # FastAPI's EventSourceResponse belongs to routes that yield; ours answer with JSON or with events, and with a
    # status of its own where a stream cannot begin. So only FastAPI's encoder of events is used.
    media_type = "text/event-stream"

    def __init__(self, content: Any) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


HEARTBEAT = format_sse_event(comment="still at it", data_str=None)


def sse(event: AnswerEvent, event_id: str) -> bytes:
    """An event of an answer on the wire, with the id to resume after."""
    return format_sse_event(data_str=json.dumps(event.data), event=event.kind, id=event_id)


@dataclass(kw_only=True)
class FilterFields:
    """What to search in. Days are inclusive, as printed by the outlet."""

    __pydantic_config__ = _CLOSED
    since: Day = None
    until: Day = None
    outlets: Names = field(default_factory=list)
    languages: Names = field(default_factory=list)
    authors: Names = field(default_factory=list)

    @property
    def filters(self) -> Filters:
        """Raises QuestionError."""
        return filters_from(
            since=self.since,
            until=self.until,
            outlets=self.outlets,
            languages=self.languages,
            authors=self.authors,
        )


@dataclass(kw_only=True)
class TurnBody:
    """One earlier exchange."""

    __pydantic_config__ = _CLOSED
    question: str
    answer: str


@dataclass(kw_only=True)
class AskBody(FilterFields):
    """A question. With `stream` (or Accept: text/event-stream) the answer comes as server-sent events."""

    question: Annotated[str, Body(examples=["Who compared the situation with the missile crisis?"])]
    history: Annotated[list[TurnBody], Body(max_length=100)] = field(default_factory=list)
    today: Today = None
    kind: Kind = None
    stream: bool = False


@dataclass(kw_only=True)
class SearchBody(FilterFields):
    """What to look for."""

    query: Annotated[str, Body(examples=["harbour strike"])]
    today: Today = None
    top_k: Annotated[int | None, Body(ge=1, le=1000)] = None


def problem_schemas() -> dict[str, Any]:
    """ProblemData and what it refers to, for the components of the OpenAPI document: no route returns it."""
    schema = TypeAdapter(ProblemData).json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, Any] = schema.pop("$defs", {})
    return parts | {"ProblemData": schema}


Replies = dict[int | str, dict[str, Any]]  # status -> what the OpenAPI document says of it


def gives(shape: Any, status: int = 200) -> Replies:
    """The reply of a route whose body has this shape."""
    return {status: {"model": shape}}


def errors(*statuses: int) -> Replies:
    """The errors that any route may answer with, and those of these statuses."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemData"}}}
    kinds = {*statuses, 400, 401, 403, 413, 421, 422, 429, 500, 503, 507}
    return {status: {"description": "What is wrong", "content": content} for status in sorted(kinds)}


def openai_errors() -> Replies:
    """The errors that any route for OpenAI's clients may answer with."""
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"]}},
    }
    content = {"application/json": {"schema": schema}}
    kinds = (400, 401, 403, 404, 409, 413, 415, 421, 429, 500, 503, 507)
    return {status: {"description": "What is wrong", "content": content} for status in kinds}


# What a client reads of each event; `data` is JSON (or [DONE] at the end of a chat completion).
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["sources", "preview", "sentence", "answer", "error"]},
        "data": {"type": "string"},
    },
}
EVENTS = {"text/event-stream": {"schema": _EVENT}}


def parsed(body: bytes) -> object:
    """The JSON of a body. Raises InvalidJson."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidJson(f"The body is no JSON: {error}.") from None
