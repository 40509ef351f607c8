"""OpenAI's shapes from and to ours: pure functions, so that a client that knows only those keeps every source."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rag.interfaces.http.errors import Refused
from rag.interfaces.json import UNSUPPORTED, answer_data, coverage_data, hit_data, is_settled, sentence_text
from rag.models.chat import LLM
from rag.models.sampling import RANGES, can_sample, effective
from rag.schema import Answer, Citation, Filters, Sentence
from rag.serving.answer_queue import Question, sound, turns

CHAT_MODEL = "dateline"
Link = Callable[[Citation], str]

# Accepted, since many clients always send them, and reported back under dateline.ignored.
_WITHOUT_EFFECT = {"system": "the instructions of the model are Dateline's own, so that every sentence can be checked"}
# They tell something about the caller and ask for nothing.
_SILENT = frozenset("user metadata service_tier prompt_cache_key prompt_cache_retention safety_identifier".split())
_READ = frozenset("model messages stream stream_options stop max_tokens max_completion_tokens seed dateline".split())
# Value that asks for nothing, and why any other is refused.
_REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
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
    "prediction": ((), "answers are written anew"),
    "web_search_options": ((), "only the archive is searched"),
    "reasoning_effort": (("none",), "there is one way of answering"),
    "verbosity": (("medium",), "answers are as long as the evidence allows; 'max_tokens' cuts them"),
    "store": ((False,), "no question and no answer is kept"),
}


class Unfit(Refused):
    """A request that OpenAI's clients get back as a BadRequestError; `param` names the field."""

    def __init__(self, param: str, message: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(status, message)
        self.param, self.code = param, code


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat completion that can be answered. `ignored`: field -> why it has no effect.

    `max_tokens` and `prompt_tokens` are as `count_tokens` counts.
    """

    question: Question
    stream: bool = False
    with_usage: bool = False
    stop: tuple[str, ...] = ()
    max_tokens: int | None = None
    prompt_tokens: int = 0
    ignored: dict[str, str] = field(default_factory=dict)


def parse_chat(body: object, filters_of: Callable[[Mapping[str, Any]], Filters], llm: LLM | None) -> ChatRequest:
    """The request, every field of it honoured, reported as ignored, or refused. Raises Unfit.

    `llm` is what will write: it decides what becomes of temperature and its kin.
    """
    if not isinstance(body, dict):
        raise Unfit("messages", "The body is no JSON object; expected one with 'model' and 'messages'.")
    _refuse_what_cannot_be(body)
    question = _question(body.get("messages"))
    restriction = body.get("dateline") or {}
    if not isinstance(restriction, dict):
        raise Unfit("dateline", "'dateline' must be an object with since, until, outlets, languages or authors.")
    stream, options = body.get("stream") or False, body.get("stream_options") or {}
    if not isinstance(stream, bool) or not isinstance(options, dict):
        raise Unfit("stream", "'stream' must be true or false, and 'stream_options' an object.")
    parameters = _parameters(body)
    ignored = _unsampled(parameters, llm)
    if any(message.get("role") in ("system", "developer") for message in body["messages"]):
        ignored["system"] = _WITHOUT_EFFECT["system"]
    return ChatRequest(
        question=replace(question, filters=filters_of(restriction), sampling=tuple(parameters.items())),
        stream=stream,
        with_usage=bool(options.get("include_usage")),
        stop=_stops(body.get("stop")),
        max_tokens=_most(body),
        prompt_tokens=sum(count_tokens(_text(message.get("content"), "messages")) for message in body["messages"]),
        ignored=ignored,
    )


def _refuse_what_cannot_be(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name in _REFUSED:
            harmless, why = _REFUSED[name]
            if value is not None and value not in harmless:
                shown = json.dumps(value)[:40]
                raise Unfit(name, f"'{name}' cannot be {shown} here: {why}. Leave it out.", code="unsupported_value")
        elif name not in _READ and name not in RANGES and name not in _SILENT:
            raise Unfit(name, f"'{name[:60]}' is not known here. Leave it out.", code="unknown_parameter")


def _parameters(body: Mapping[str, Any]) -> dict[str, float]:
    """The sampling parameters that were sent. Raises Unfit."""
    found: dict[str, float] = {}
    for name, (low, high, _) in RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Unfit(name, f"'{name}' must be a number from {low} to {high}.")
        found[name] = value
    seed = body.get("seed")
    if seed is not None:
        if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
            raise Unfit("seed", "'seed' must be a whole number of at most 64 bits.")
        found["seed"] = seed
    return found


def _unsampled(parameters: Mapping[str, float], llm: LLM | None) -> dict[str, str]:
    """Parameter -> why nothing comes of it where no model writes. Raises Unfit where one writes in its own way."""
    wanted = effective(parameters)
    if llm is None:
        return dict.fromkeys(wanted, "no language model writes: the answer is sentences of the articles, verbatim")
    if wanted and not can_sample(llm):
        name = next(iter(wanted))
        raise Unfit(
            name,
            f"'{name}' cannot be {wanted[name]:g} here: the model {llm.name} keeps the parameters that it was made "
            "with. Leave it out.",
            code="unsupported_value",
        )
    return {}


def _question(messages: object) -> Question:
    """The last user message, with the exchanges before it."""
    if not isinstance(messages, list) or not messages:
        raise Unfit("messages", "'messages' must be a list that ends with a user message.")
    pairs: list[tuple[str, str]] = []
    asked: list[str] = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in ("system", "developer", "user", "assistant"):
            raise Unfit(where, f"'{where}' must have the role system, user or assistant.")
        text = _text(message.get("content"), where)
        if role == "user":
            asked.append(text)
        elif role == "assistant":
            pairs.append(("\n".join(asked), _unmarked(text)))
            asked = []
    if not asked:
        raise Unfit("messages", "The last message is not the user's: there is no question to answer.")
    return Question("\n".join(asked), history=turns(pairs))


def _text(content: object, where: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return sound(content)
    if isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str) for part in content
    ):
        return sound("\n".join(part["text"] for part in content))
    raise Unfit(where, f"The content of '{where}' must be text: pictures, sound and files are not read.")


def _unmarked(text: str) -> str:
    return re.sub(rf"\s*(\[\d+\]|{re.escape(UNSUPPORTED)})", "", text)


def _stops(stop: object) -> tuple[str, ...]:
    found = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(found, list) or len(found) > 4 or not all(isinstance(one, str) and one for one in found):
        raise Unfit("stop", "'stop' must be a string or a list of at most four, none of them empty.")
    return tuple(found)


def _most(body: Mapping[str, Any]) -> int | None:
    """The smaller of the two names that the length has."""
    found = []
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise Unfit(name, f"'{name}' must be a whole number of at least 1.")
        found.append(value)
    return min(found, default=None)


def count_tokens(text: str) -> int:
    """What `usage` and `max_tokens` count: four bytes a token, the same whichever model writes, or none."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


# --- answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as a message: its text, where each of its sentences stands in it, and why it ends there."""

    text: str
    places: tuple[tuple[int, int, Sentence], ...] = ()
    reason: str = "stop"


def written(answer: Answer, request: ChatRequest) -> Written:
    """The message for an answer, cut where `stop` or `max_tokens` say. A refusal is a message too."""
    text, places = "", []
    for sentence in answer.sentences:
        text += " " if text else ""
        start = len(text)
        text += sentence_text(sentence)
        places.append((start, len(text), sentence))
    if not places:
        text = answer.refusal
    return _cut(Written(text, tuple(places)), request)


def _cut(whole: Written, request: ChatRequest) -> Written:
    end, reason = len(whole.text), "stop"
    if request.max_tokens is not None and count_tokens(whole.text) > request.max_tokens:
        end = len(whole.text.encode()[: request.max_tokens * 4].decode("utf-8", "ignore"))
        reason = "length"
    stops = [place for stop in request.stop if (place := whole.text.find(stop)) >= 0]
    if stops and min(stops) <= end:
        end, reason = min(stops), "stop"
    for start, stop, sentence in whole.places:
        if start < end < stop and sentence.verdict == "unsupported":
            end = start  # its warning would be cut off
    kept = tuple((start, min(stop, end), sentence) for start, stop, sentence in whole.places if start < end)
    return Written(whole.text[:end], kept, reason)


def url_citations(message: Written, link: Link) -> list[dict[str, Any]]:
    """One for each citation of each sentence: the span of the sentence in the text, and the source."""
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": start,
                "end_index": end,
                "url": link(citation),
                "title": citation.passage.article.title,
            },
        }
        for start, end, sentence in message.places
        for citation in sentence.citations
    ]


def usage(message: Written, request: ChatRequest) -> dict[str, int]:
    """The caller's messages and the text of the reply, as `count_tokens` counts; not the evidence that a model read."""
    completion = count_tokens(message.text)
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": request.prompt_tokens + completion,
    }


def completion(answer: Answer, request: ChatRequest, run_id: str, created: int, link: Link) -> dict[str, Any]:
    """A whole chat completion."""
    message = written(answer, request)
    return {
        "id": f"chatcmpl-{run_id}",
        "object": "chat.completion",
        "created": created,
        "model": CHAT_MODEL,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": message.text,
                    "refusal": None,
                    "annotations": url_citations(message, link),
                },
                "finish_reason": message.reason,
                "logprobs": None,
            }
        ],
        "usage": usage(message, request),
        "dateline": answer_data(answer) | {"ignored": request.ignored},
    }


class Chunks:
    """A chat completion in pieces. What was sent cannot be taken back, so only what stays is sent.

    With `firm` a sentence stays once it or one before it is supported; without, the end may still withdraw them all
    (a model that judges its own evidence), and all is sent at the end.
    """

    def __init__(self, request: ChatRequest, run_id: str, created: int, link: Link, *, firm: bool) -> None:
        self._request, self._link, self._firm = request, link, firm
        self._head = {
            "id": f"chatcmpl-{run_id}", "object": "chat.completion.chunk", "created": created, "model": CHAT_MODEL,
        }  # fmt: skip
        self._sent = ""
        self._began = False

    def grown(self, answer: Answer) -> Iterator[dict[str, Any]]:
        """What an unfinished answer lets be sent: first the sources, then its sentences."""
        if not self._began:
            self._began = True
            sources = {"hits": [hit_data(hit) for hit in answer.hits], "coverage": coverage_data(answer.coverage)}
            yield self._chunk({"role": "assistant", "content": ""}) | {"dateline": sources}
        if self._firm and is_settled(answer):
            message = written(answer, self._request)
            yield from self._more(message.text[: len(message.text) - _held_back(message, self._request.stop)])

    def final(self, answer: Answer) -> Iterator[dict[str, Any]]:
        """The rest of the text, then the sources of its sentences and the whole answer."""
        yield from self.grown(answer) if not self._began else ()
        message = written(answer, self._request)
        yield from self._more(message.text)
        found = {"annotations": url_citations(message, self._link)}
        whole = {"dateline": answer_data(answer) | {"ignored": self._request.ignored}}
        yield self._chunk(found, finish=message.reason) | whole
        if self._request.with_usage:
            yield self._head | {"choices": [], "usage": usage(message, self._request)}

    def _more(self, text: str) -> Iterator[dict[str, Any]]:
        if len(text) > len(self._sent):
            yield self._chunk({"content": text[len(self._sent) :]})
            self._sent = text

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._head | {"choices": [choice]}


def _held_back(message: Written, stops: Sequence[str]) -> int:
    """How many characters at the end may be the beginning of a stop."""
    longest = max(
        (n for stop in stops for n in range(1, len(stop)) if message.text.endswith(stop[:n])),
        default=0,
    )
    return longest


# --- models and embeddings ----------------------------------------------------------------------------


def models(embedder: str, created: int) -> list[dict[str, Any]]:
    """What /v1/models lists."""
    return [
        {"id": name, "object": "model", "created": created, "owned_by": "dateline"} for name in (CHAT_MODEL, embedder)
    ]


def check_model(body: object, known: Sequence[str]) -> None:
    """Raises Unfit unless the request names one of the known models."""
    name = body.get("model") if isinstance(body, dict) else None
    if not isinstance(name, str) or name not in known:
        raise Unfit(
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


MOST_TEXTS = 512


def parse_embedding(body: object, dim: int) -> EmbeddingRequest:
    """The request. Raises Unfit."""
    if not isinstance(body, dict):
        raise Unfit("input", "The body is no JSON object; expected one with 'model' and 'input'.")
    unknown = set(body) - {"model", "input", "encoding_format", "dimensions", "user", "input_type"}
    if unknown:
        raise Unfit(min(unknown), f"'{min(unknown)[:60]}' is not known here. Leave it out.", code="unknown_parameter")
    texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
    if (
        not isinstance(texts, list)
        or not 1 <= len(texts) <= MOST_TEXTS
        or not all(isinstance(t, str) and t for t in texts)
    ):
        raise Unfit("input", f"'input' must be a text or a list of 1 to {MOST_TEXTS} texts, none empty; not tokens.")
    if body.get("encoding_format") not in (None, "float", "base64"):
        raise Unfit("encoding_format", "'encoding_format' must be float or base64.")
    if body.get("dimensions") not in (None, dim):
        raise Unfit("dimensions", f"This model gives {dim} dimensions. Leave 'dimensions' out.")
    if body.get("input_type") not in (None, "query", "passage"):
        raise Unfit("input_type", "'input_type' must be query or passage.")
    return EmbeddingRequest(
        texts=tuple(sound(text) for text in texts),
        as_query=body.get("input_type") == "query",
        as_base64=body.get("encoding_format") == "base64",
    )


def embeddings(vectors: np.ndarray, request: EmbeddingRequest, model: str) -> dict[str, Any]:
    """The vectors, (n, dim), as lists of floats or as base64 of little-endian float32."""
    tokens = sum(count_tokens(text) for text in request.texts)
    rows = vectors.astype("<f4")
    return {
        "object": "list",
        "model": model,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": b64encode(row.tobytes()).decode() if request.as_base64 else row.tolist(),
            }
            for index, row in enumerate(rows)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
