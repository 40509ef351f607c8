"""Requests in OpenAI's shapes: each field is honoured, reported as ignored, or refused with a reason.

Not parsed through the parameter types of openai.types. Tried under pydantic, these let a temperature of 9, pictures
and unknown fields pass, and their errors list every branch of a union instead of saying what to leave out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from rag.interfaces.filters import day_from, encodable, filters_from, turns_from
from rag.interfaces.http.errors import HttpError
from rag.interfaces.text import CONTRADICTED, UNSUPPORTED
from rag.models.chat import LLM
from rag.models.sampling import RANGES, can_sample, effective
from rag.schema import Filters, QuestionKind, Turn
from rag.serving.answer_queue import AnswerRequest

CHAT_MODEL = "dateline"
MOST_TEXTS = 512  # of one request for embeddings

# Accepted, since many clients always send them, and reported back under dateline.ignored.
_WITHOUT_EFFECT = {"system": "the instructions of the model are Dateline's own, so that every sentence can be checked"}
# They describe the caller and change nothing about the answer.
_INFORMATIVE = frozenset("user metadata service_tier prompt_cache_key prompt_cache_retention safety_identifier".split())
_READ = frozenset("model messages stream stream_options stop max_tokens max_completion_tokens seed dateline".split())
# Field -> the values that change nothing, and why any other value is refused.
_UNSUPPORTED_VALUES: dict[str, tuple[tuple[Any, ...], str]] = {
    "n": ((1,), "one answer is given to a question"),
    "tools": (([],), "the archive is the only tool; it is always used"),
    "functions": (([],), "the archive is the only tool; it is always used"),
    "tool_choice": (("none", "auto"), "the archive is the only tool; it is always used"),
    "function_call": (("none", "auto"), "the archive is the only tool; it is always used"),
    "parallel_tool_calls": ((True, False), "it must be true or false"),
    "response_format": (({"type": "text"},), "answers are sentences; their structure is under 'dateline'"),
    "logprobs": ((False,), "an answer is checked, not scored by word"),
    "top_logprobs": ((0,), "an answer is checked, not scored by word"),
    "logit_bias": (({},), "the words come from the articles"),
    "modalities": ((["text"],), "answers are text"),
    "audio": ((), "answers are text"),
    "prediction": ((), "answers are always written from scratch"),
    "web_search_options": ((), "only the archive is searched"),
    "reasoning_effort": (("none",), "there is one way of answering"),
    "verbosity": (("medium",), "answers are as long as the evidence allows; 'max_tokens' cuts them"),
    "store": ((False,), "no question and no answer is kept"),
}


class BadOpenAIRequest(HttpError):
    """A request that OpenAI's clients get back as a BadRequestError; `param` names the field."""

    def __init__(self, param: str, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(status, message)
        self.param, self.code = param, code


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat completion that can be answered. `ignored`: field -> why it has no effect.

    `max_tokens` and `prompt_tokens` are as `count_tokens` counts.
    """

    asked: AnswerRequest
    stream: bool = False
    with_usage: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    prompt_tokens: int = 0
    ignored: dict[str, str] = field(default_factory=dict)


def parse_chat(body: object, llm: LLM | None) -> ChatRequest:
    """The request, every field of it honoured, reported as ignored, or refused. Raises BadOpenAIRequest.

    `llm` is what will write, None without one: it decides whether sampling parameters can be honoured.
    """
    if not isinstance(body, dict):
        raise BadOpenAIRequest("messages", "The body is no JSON object; expected one with 'model' and 'messages'.")
    _refuse_unsupported(body)
    question, history = _conversation(body.get("messages"))
    stream, options = body.get("stream") or False, body.get("stream_options") or {}
    if not isinstance(stream, bool) or not isinstance(options, dict):
        raise BadOpenAIRequest("stream", "'stream' must be true or false, and 'stream_options' an object.")
    filters, today, kind = _extra_fields(body.get("dateline"))
    parameters = _parameters(body)
    ignored = _without_effect(parameters, llm)
    if any(message.get("role") in ("system", "developer") for message in body["messages"]):
        ignored["system"] = _WITHOUT_EFFECT["system"]
    return ChatRequest(
        asked=AnswerRequest(
            question=question, filters=filters, today=today, kind=kind, history=history, sampling=parameters
        ),
        stream=stream,
        with_usage=bool(options.get("include_usage")),
        stop=_stop_texts(body.get("stop")),
        max_tokens=_most_tokens(body),
        prompt_tokens=sum(count_tokens(_text(message.get("content"), "messages")) for message in body["messages"]),
        ignored=ignored,
    )


_TEXTS, _NAMES = ("since", "until", "today", "kind"), ("outlets", "languages", "authors")


def _extra_fields(fields: object) -> tuple[Filters, date | None, QuestionKind | None]:
    """The filters, the day `today` and the form of the answer, which the Assistant checks, in the extra field
    `dateline`. Raises BadOpenAIRequest, QuestionError.
    """
    if not fields:
        return Filters(), None, None
    if not isinstance(fields, dict):
        raise BadOpenAIRequest(
            "dateline", "'dateline' must be an object with since, until, today, kind, outlets, languages or authors."
        )
    for name, value in fields.items():
        names = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (name in _TEXTS and isinstance(value, str) or name in _NAMES and names):
            raise BadOpenAIRequest(
                "dateline",
                f"'dateline.{name[:40]}' cannot be used: expected days as text in since, until and today, a kind, "
                "lists of names in outlets, languages and authors.",
            )
    filters = {name: value for name, value in fields.items() if name not in ("today", "kind")}
    return (
        filters_from(**filters),
        day_from("today", fields.get("today")),
        cast(QuestionKind | None, fields.get("kind")),
    )


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name in _UNSUPPORTED_VALUES:
            harmless, why = _UNSUPPORTED_VALUES[name]
            if value is not None and value not in harmless:
                shown = json.dumps(value)[:40]
                raise BadOpenAIRequest(
                    name, f"'{name}' cannot be {shown} here: {why}. Leave it out.", code="unsupported_value"
                )
        elif name not in _READ and name not in RANGES and name not in _INFORMATIVE:
            raise BadOpenAIRequest(name, f"'{name[:60]}' is not known here. Leave it out.", code="unknown_parameter")


def _parameters(body: Mapping[str, Any]) -> dict[str, float]:
    """The sampling parameters that were sent. Raises BadOpenAIRequest."""
    found: dict[str, float] = {}
    for name, (low, high, _) in RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise BadOpenAIRequest(name, f"'{name}' must be a number from {low} to {high}.")
        found[name] = value
    seed = body.get("seed")
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
            raise BadOpenAIRequest("seed", "'seed' must be a whole number of at most 64 bits.")
        found["seed"] = seed
    return found


def _without_effect(parameters: Mapping[str, float], llm: LLM | None) -> dict[str, str]:
    """Parameter -> why it has no effect, where no language model writes.

    Raises BadOpenAIRequest where the model is one that takes no parameters with a question.
    """
    wanted = effective(parameters)
    if llm is None:
        return dict.fromkeys(wanted, "no language model writes: the answer is sentences of the articles, verbatim")
    if wanted and not can_sample(llm):
        name = next(iter(wanted))
        raise BadOpenAIRequest(
            name,
            f"'{name}' cannot be {wanted[name]:g} here: the model {llm.name} keeps the parameters that it was made "
            "with. Leave it out.",
            code="unsupported_value",
        )
    return {}


def _conversation(messages: object) -> tuple[str, tuple[Turn, ...]]:
    """The question, which is what the user said last, and the exchanges before it. Raises BadOpenAIRequest."""
    if not isinstance(messages, list) or not messages:
        raise BadOpenAIRequest("messages", "'messages' must be a list that ends with a user message.")
    pairs: list[tuple[str, str]] = []
    asked: list[str] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "developer", "user", "assistant"):
            raise BadOpenAIRequest(where, f"'{where}' must have the role system, user or assistant.")
        text = _text(message.get("content"), where)
        if role == "user":
            asked.append(text)
        elif role == "assistant":
            pairs.append(("\n".join(asked), _without_markers(text)))
            asked = []
    if not asked:
        raise BadOpenAIRequest("messages", "The last message is not the user's: there is no question to answer.")
    return "\n".join(asked), turns_from(pairs)


def _text(content: object, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return encodable(content)
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in content
    ):
        return encodable("\n".join(part["text"] for part in content))
    raise BadOpenAIRequest(where, f"The content of '{where}' must be text: pictures, sound and files are not read.")


MOST_STOP_CHARS = 200
_MARKER = re.compile(rf"\[\d+\]|{re.escape(UNSUPPORTED)}|{CONTRADICTED}")


def _without_markers(text: str) -> str:
    """An earlier answer without its citation markers and the space in front of them.

    Not one pattern for both: it would be tried again at each of many spaces, in time that grows with their square.
    """
    *before, last = _MARKER.split(text)
    return "".join([*(part.rstrip() for part in before), last])


def _stop_texts(stop: object) -> tuple[str, ...]:
    found = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(found, list) or len(found) > 4 or not all(isinstance(one, str) and one for one in found):
        raise BadOpenAIRequest("stop", "'stop' must be a string or a list of at most four, none of them empty.")
    if (longest := max(map(len, found), default=0)) > MOST_STOP_CHARS:
        raise BadOpenAIRequest("stop", f"A 'stop' has {longest:,} characters; at most {MOST_STOP_CHARS} are read.")
    return tuple(found)


def _most_tokens(body: Mapping[str, Any]) -> int | None:
    """The limit of the reply, which has two names; the smaller where both are given. None without one."""
    found = []
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise BadOpenAIRequest(name, f"'{name}' must be a whole number of at least 1.")
        found.append(value)
    return min(found, default=None)


def count_tokens(text: str) -> int:
    """Tokens as `usage` and `max_tokens` count them: four bytes of UTF-8 each, whichever model writes, or none."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def check_model(body: object, known: Sequence[str]) -> None:
    """Raises BadOpenAIRequest unless the request names one of the known models."""
    name = body.get("model") if isinstance(body, dict) else None
    if not isinstance(name, str) or name not in known:
        raise BadOpenAIRequest(
            "model",
            f"The model {str(name)[:80]!r} is not served here. Known: {', '.join(known)}.",
            status=404 if isinstance(name, str) else 400,
            code="model_not_found",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Texts to embed, as passages or as queries."""

    texts: tuple[str, ...]
    as_query: bool
    as_base64: bool


def parse_embedding(body: object, dim: int) -> EmbeddingRequest:
    """The request. Raises BadOpenAIRequest."""
    if not isinstance(body, dict):
        raise BadOpenAIRequest("input", "The body is no JSON object; expected one with 'model' and 'input'.")
    unknown = set(body) - {"model", "input", "encoding_format", "dimensions", "user", "input_type"}
    if unknown:
        raise BadOpenAIRequest(
            min(unknown), f"'{min(unknown)[:60]}' is not known here. Leave it out.", code="unknown_parameter"
        )
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if (
        not isinstance(texts, list)
        or not 1 <= len(texts) <= MOST_TEXTS
        or not all(isinstance(t, str) and t for t in texts)
    ):
        raise BadOpenAIRequest(
            "input", f"'input' must be a text or a list of 1 to {MOST_TEXTS} texts, none empty; not tokens."
        )
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise BadOpenAIRequest("encoding_format", "'encoding_format' must be float or base64.")
    if body.get("dimensions") not in (None, dim):
        raise BadOpenAIRequest("dimensions", f"This model gives {dim} dimensions. Leave 'dimensions' out.")
    if body.get("input_type") not in (None, "query", "passage"):
        raise BadOpenAIRequest("input_type", "'input_type' must be query or passage.")
    return EmbeddingRequest(
        texts=tuple(encodable(text) for text in texts),
        as_query=body.get("input_type") == "query",
        as_base64=body.get("encoding_format") == "base64",
    )
