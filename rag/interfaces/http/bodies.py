"""What goes in and out over HTTP: bodies, JSON, and what OpenAPI says of answers and errors. For the routes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Body
from fastapi.responses import JSONResponse

from rag.interfaces.http.errors import Refused
from rag.schema import Filters
from rag.serving.answer_queue import day_of, sound

DAY = {"format": "date", "examples": ["2025-03-01"]}
_CLOSED = {"extra": "forbid"}
Names = Annotated[list[str], Body(max_length=100)]
Day = Annotated[str | None, Body(json_schema_extra=DAY)]


class Json(JSONResponse):
    """JSON whatever the strings hold: a lone surrogate, as broken escapes leave it, becomes `?`."""

    def render(self, content: Any) -> bytes:
        """The bytes to send."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


@dataclass(kw_only=True)
class Narrowed:
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
        return Filters(
            since=day_of("since", self.since),
            until=day_of("until", self.until),
            outlets=tuple(map(sound, self.outlets)),
            languages=tuple(map(sound, self.languages)),
            authors=tuple(map(sound, self.authors)),
        )


@dataclass(kw_only=True)
class TurnBody:
    """One earlier exchange."""

    __pydantic_config__ = _CLOSED
    question: str
    answer: str


@dataclass(kw_only=True)
class AskBody(Narrowed):
    """A question. With `stream` (or Accept: text/event-stream) the answer comes as server-sent events."""

    question: Annotated[str, Body(examples=["Who compared the situation with the missile crisis?"])]
    history: Annotated[list[TurnBody], Body(max_length=100)] = field(default_factory=list)
    stream: bool = False


@dataclass(kw_only=True)
class SearchBody(Narrowed):
    """What to look for."""

    query: Annotated[str, Body(examples=["harbour strike"])]
    top_k: Annotated[int | None, Body(ge=1, le=1000)] = None


_TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "After RFC 9457; detail says what is wrong, what was expected and what to do.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "request_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "additionalProperties": False,
                "properties": {"field": _TEXT, "message": _TEXT},
            },
        },
    },
}


Replies = dict[int | str, dict[str, Any]]  # status -> what OpenAPI says of it


def gives(shape: Any, status: int = 200) -> Replies:
    """An answer of this shape."""
    return {status: {"model": shape}}


def errors(*statuses: int) -> Replies:
    """What any route may also answer, for OpenAPI."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemData"}}}
    kinds = {*statuses, 400, 401, 403, 413, 421, 422, 429, 500, 503, 507}
    return {status: {"description": "What is wrong", "content": content} for status in sorted(kinds)}


def openai_errors() -> Replies:
    """What any route for OpenAI's clients may also answer."""
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
        "event": {"enum": ["sources", "sentence", "answer", "error"]},
        "data": {"type": "string"},
    },
}
EVENTS = {"text/event-stream": {"schema": _EVENT}}


def parsed(body: bytes) -> object:
    """The JSON of a body. Raises Refused."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON: {error}.") from None
