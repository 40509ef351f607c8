"""Sampling parameters of one question: the model writes with them, the checks behind it stay the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from rag.assistant import Assistant
from rag.models.chat import LLM, Message, OpenAIChat

# Parameter of the OpenAI API -> (lowest, highest, the value that changes nothing).
RANGES: dict[str, tuple[float, float, float]] = {
    "temperature": (0, 2, 0),
    "top_p": (0, 1, 1),
    "presence_penalty": (-2, 2, 0),
    "frequency_penalty": (-2, 2, 0),
}
Parameters = Mapping[str, float]


def effective(parameters: Parameters) -> dict[str, float]:
    """Those that change what is written: at temperature 0 there is no chance that `top_p` and `seed` could govern."""
    chance = parameters.get("temperature", 0) > 0
    kept = {n: v for n, v in parameters.items() if n not in RANGES or v != RANGES[n][2]}
    return kept if chance else {n: v for n, v in kept.items() if n.endswith("_penalty")}


def can_sample(llm: LLM | None) -> bool:
    """Whether the model takes parameters; one that was handed over from Python keeps those it was made with."""
    return isinstance(llm, OpenAIChat)


def with_parameters(assistant: Assistant, parameters: Parameters) -> Assistant:
    """The same assistant, writing with these parameters; `assistant` itself where they change nothing. Not to close."""
    llm, kept = assistant.llm, effective(parameters)
    if not kept or not isinstance(llm, OpenAIChat):
        return assistant
    other = copy(assistant)
    other.llm = Sampled(llm, kept)
    return other


class Sampled(OpenAIChat):
    """A chat model asked with other parameters than its own; holds nothing but the model that it is a view of."""

    def __init__(self, chat: OpenAIChat, parameters: Parameters) -> None:
        vars(self).update(vars(chat))  # name, judges, evidence_tokens, and whatever else a face looks at
        self._chat, self.parameters = chat, dict(parameters)

    @property
    def client(self) -> Any:
        """The model's own, which adds the parameters to what it is asked to write."""
        return _Client(self._chat.client, self.parameters)

    def probability(self, messages: Sequence[Message], word: str) -> float | None:
        """As the model gives it: chance and penalties are for writing, not for judging."""
        return self._chat.probability(messages, word)

    def close(self) -> None:
        """Nothing: the model is its owner's to close."""


class _Client:
    """llama-index's client with further parameters on each request for text."""

    def __init__(self, client: Any, parameters: Parameters) -> None:
        self._client, self._parameters = client, parameters

    def stream_chat(self, messages: Any, **options: Any) -> Iterator[Any]:
        pieces: Iterator[Any] = self._client.stream_chat(messages, **options, **self._parameters)
        return pieces
