"""Sampling parameters of one question, by the names of the OpenAI API. What is written is checked all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rag.models.chat import LLM, Message, OpenAIChat

# Parameter -> (lowest value, highest value, the value that changes nothing).
RANGES: dict[str, tuple[float, float, float]] = {
    "temperature": (0, 2, 0),
    "top_p": (0, 1, 1),
    "presence_penalty": (-2, 2, 0),
    "frequency_penalty": (-2, 2, 0),
}
Parameters = Mapping[str, float]  # names in RANGES, or "seed"


def effective(parameters: Parameters) -> dict[str, float]:
    """The parameters that change the text. At temperature 0 nothing is drawn: `top_p` and `seed` have no effect."""
    draws = parameters.get("temperature", 0) > 0
    kept = {n: v for n, v in parameters.items() if n not in RANGES or v != RANGES[n][2]}
    return kept if draws else {n: v for n, v in kept.items() if n.endswith("_penalty")}


def can_sample(llm: LLM | None) -> bool:
    """Whether the model takes parameters with a request; a model object from Python keeps those it was made with."""
    return isinstance(llm, OpenAIChat)


def stream(llm: LLM, messages: Sequence[Message], max_tokens: int, parameters: Parameters) -> Iterator[str]:
    """The model's reply piece by piece, written with these parameters where the model takes any."""
    kept = effective(parameters)
    if kept and isinstance(llm, OpenAIChat):
        return llm.stream(messages, max_tokens, sampling=kept)
    return llm.stream(messages, max_tokens)
