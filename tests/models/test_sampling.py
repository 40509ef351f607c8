from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes import ModelServer, ScriptedLLM

from rag.models.chat import Message, OpenAIChat
from rag.models.sampling import can_sample, effective, stream

ASKED = [Message("user", "Did it rain?")]


@pytest.fixture
def chat(endpoint: ModelServer) -> Iterator[OpenAIChat]:
    model = OpenAIChat(url=endpoint.url, model="tide", key="", name="Tide", timeout=10, evidence_tokens=100)
    yield model
    model.close()


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({}, {}),
        ({"temperature": 0, "top_p": 0.5, "seed": 5}, {}),  # nothing is drawn
        ({"top_p": 0.5, "seed": 5}, {}),
        ({"temperature": 0.7, "top_p": 1, "seed": 0}, {"temperature": 0.7, "seed": 0}),
        ({"presence_penalty": 0.5, "frequency_penalty": 0}, {"presence_penalty": 0.5}),
    ],
)
def test_only_parameters_that_change_the_text_are_kept(parameters: dict[str, float], kept: dict[str, float]) -> None:
    assert effective(parameters) == kept


def test_a_request_is_made_with_the_parameters_of_its_question_alone(endpoint: ModelServer, chat: OpenAIChat) -> None:
    assert "".join(stream(chat, ASKED, 40, {"temperature": 0.7, "seed": 5, "top_p": 1})) == "It rained on Monday."
    assert "".join(stream(chat, ASKED, 40, {})) == "It rained on Monday."
    first, second = endpoint.bodies
    assert (first["temperature"], first["seed"], "top_p" in first) == (0.7, 5, False)
    assert (second["temperature"], "seed" in second) == (0, False)


def test_a_model_that_takes_no_parameters_is_asked_without_them() -> None:
    model = ScriptedLLM("It rained.")
    assert not can_sample(model)
    assert not can_sample(None)
    assert "".join(stream(model, ASKED, 40, {"temperature": 0.7})) == "It rained."
