"""OpenAIChat against a small server that speaks the OpenAI protocol over real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fakes import ModelServer

from rag.errors import ModelUnavailable
from rag.models.chat import LLM, Message, OpenAIChat, open_llm
from rag.settings import Settings

ASKED = [Message("system", "Be brief."), Message("user", "Did it rain?")]


Chat = Callable[..., OpenAIChat]


@pytest.fixture
def chat() -> Iterator[Chat]:
    """`chat(url)` is a model behind that address, closed after the test."""
    with ExitStack() as closing_all:

        def made(url: str, model: str = "tide", timeout: float = 10) -> OpenAIChat:
            llm = OpenAIChat(url=url, model=model, key="sesame", name="Tide", timeout=timeout, evidence_tokens=100)
            closing_all.callback(llm.close)
            return llm

        yield made


def test_a_reply_streams_piece_by_piece(endpoint: ModelServer, chat: Chat) -> None:
    pieces = list(chat(endpoint.url).stream(ASKED, 40))
    assert pieces == ["It", " rained", " on", " Monday."]
    (body,) = endpoint.bodies
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Did it rain?"}]
    assert (body["max_tokens"], body["temperature"], body["stream"]) == (40, 0.0, True)


def test_the_first_piece_comes_before_the_last_is_made(endpoint: ModelServer, chat: Chat) -> None:
    endpoint.manner = "endless"  # 2,000 pieces of 10 ms
    began = time.perf_counter()
    stream = chat(endpoint.url).stream(ASKED, 40)
    assert next(stream) == "rain "
    assert time.perf_counter() - began < 15  # of the 20 s that all pieces take
    stream.close()


def test_closing_the_iterator_closes_the_connection(endpoint: ModelServer, chat: Chat) -> None:
    endpoint.manner = "endless"
    stream = chat(endpoint.url).stream(ASKED, 40)
    next(stream)
    stream.close()
    assert endpoint.hung_up.wait(timeout=5)


@pytest.mark.parametrize(
    ("manner", "said"),
    [("dies", ["It", " rained"]), ("error event", ["It", " rained"]), ("broken", [])],
)
def test_a_model_that_dies_in_mid_stream_is_unavailable_and_what_it_said_was_given(
    endpoint: ModelServer, manner: str, said: list[str], chat: Chat
) -> None:
    endpoint.manner = manner
    stream = chat(endpoint.url).stream(ASKED, 40)
    assert [next(stream) for _ in said] == said
    with pytest.raises(
        ModelUnavailable, match=r"model Tide failed: .*DATELINE_LLM=none to answer by extraction"
    ) as failed:
        next(stream)
    assert "\n" not in str(failed.value)


def test_one_question_after_another_uses_the_same_model(endpoint: ModelServer, chat: Chat) -> None:
    model = chat(endpoint.url)
    endpoint.manner = "endless"
    stopped = model.stream(ASKED, 40)
    next(stopped)
    stopped.close()
    endpoint.manner = "good"
    assert "".join(model.stream(ASKED, 40)) == "It rained on Monday."


def test_two_questions_at_once_do_not_stop_each_other(endpoint: ModelServer, chat: Chat) -> None:
    model = chat(endpoint.url)
    one, other = model.stream(ASKED, 40), model.stream(ASKED, 40)
    assert [next(one), next(other)] == ["It", "It"]
    one.close()
    assert list(other) == [" rained", " on", " Monday."]


def test_closing_the_model_closes_its_connections(endpoint: ModelServer, chat: Chat) -> None:
    model = chat(endpoint.url)
    list(model.stream(ASKED, 40))
    http = model.endpoint._opened
    model.close()
    assert http is not None
    assert http.is_closed
    model.close()
    assert "".join(model.stream(ASKED, 40)) == "It rained on Monday."  # over a new connection


def test_a_wrong_model_name_is_unavailable_when_asked(endpoint: ModelServer, chat: Chat) -> None:
    with pytest.raises(ModelUnavailable, match="no model flood"):
        list(chat(endpoint.url, "flood").stream(ASKED, 40))
    with pytest.raises(ModelUnavailable, match="no model flood"):
        chat(endpoint.url, "flood").probability(ASKED, "yes")


def test_a_line_separator_inside_a_piece_is_text(endpoint: ModelServer, chat: Chat) -> None:
    endpoint.words = ["It", "\u2028rained", " \x85 on", " Monday."]
    assert list(chat(endpoint.url).stream(ASKED, 40)) == endpoint.words


def test_an_endpoint_that_fails_once_is_asked_again(endpoint: ModelServer, chat: Chat) -> None:
    endpoint.manner = "broken once"
    assert "".join(chat(endpoint.url).stream(ASKED, 40)) == "It rained on Monday."
    assert len(endpoint.bodies) == 2


def test_an_endpoint_that_goes_on_failing_is_asked_twice_and_one_that_refuses_once(
    endpoint: ModelServer, chat: Chat
) -> None:
    endpoint.manner = "broken"
    with pytest.raises(ModelUnavailable, match="failed: HTTP 500 .*: out of memory"):
        chat(endpoint.url).probability(ASKED, "yes")
    assert len(endpoint.bodies) == 2
    with pytest.raises(ModelUnavailable, match="failed: HTTP 500 .*: out of memory"):
        list(chat(endpoint.url).stream(ASKED, 40))
    assert len(endpoint.bodies) == 4
    endpoint.manner = "good"
    with pytest.raises(ModelUnavailable, match="failed: HTTP 404 .*: no model flood"):
        list(chat(endpoint.url, "flood").stream(ASKED, 40))
    assert len(endpoint.bodies) == 5


@pytest.mark.parametrize("manner", ["not json", "no object"])
def test_a_reply_in_another_shape_is_unavailable(endpoint: ModelServer, chat: Chat, manner: str) -> None:
    endpoint.manner = manner
    with pytest.raises(ModelUnavailable, match="not as the OpenAI API documents it"):
        chat(endpoint.url).probability(ASKED, "yes")


def test_a_proxy_of_the_environment_does_not_read_what_stays_on_this_machine(
    endpoint: ModelServer, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert "".join(chat(endpoint.url).stream(ASKED, 40)) == "It rained on Monday."


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_an_endpoint_that_is_not_there_is_unavailable(chat: Chat) -> None:
    url = f"http://127.0.0.1:{unused_port()}/v1"
    with pytest.raises(ModelUnavailable, match="The language model Tide failed"):
        list(chat(url).stream(ASKED, 40))
    with pytest.raises(ModelUnavailable, match=f"No language model answers at DATELINE_LLM_URL={url}"):
        chat(url).check()


@pytest.mark.parametrize(
    ("manner", "probability"),
    [("good", 0.75), ("no logprobs", None)],  # " Yes" and "yes" are the same word
)
def test_the_probability_of_a_word_is_the_sum_over_its_spellings(
    endpoint: ModelServer, manner: str, probability: float | None, chat: Chat
) -> None:
    endpoint.manner = manner
    assert chat(endpoint.url).probability(ASKED, "yes") == (None if probability is None else pytest.approx(probability))


# --- what the settings name -------------------------------------------------------------------------


def named(endpoint: ModelServer, **options: object) -> LLM | None:
    # Opening a model makes no connection that stays.
    return open_llm(Settings(llm_url=endpoint.url, llm_key="sesame", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["tide", "llama3"])  # Ollama lists llama3:latest and answers to llama3
def test_a_hosted_model_is_opened_when_the_endpoint_offers_it(endpoint: ModelServer, model: str) -> None:
    llm = named(endpoint, llm=model)
    assert llm is not None
    assert llm.name == model
    assert endpoint.keys == ["Bearer sesame"]
    assert endpoint.bodies == []  # nothing was asked yet


def test_an_endpoint_without_keys_needs_none(endpoint: ModelServer) -> None:
    llm = open_llm(Settings(llm="tide", llm_url=endpoint.url))
    assert llm is not None
    assert list(llm.stream(ASKED, 40)) == ["It", " rained", " on", " Monday."]
    assert endpoint.keys == ["Bearer none"]
    llm.close()


def test_an_endpoint_that_lists_nothing_is_believed(endpoint: ModelServer) -> None:
    endpoint.manner = "no list"
    assert named(endpoint, llm="anything") is not None


@pytest.mark.parametrize(
    ("manner", "options", "message"),
    [
        ("good", {"llm": "flood"}, "does not offer the model 'flood'.*It offers: llama3:latest, tide"),
        ("good", {}, "DATELINE_LLM names no model there"),
        ("locked", {"llm": "tide"}, "No language model answers.*401.*DATELINE_LLM_KEY"),
        ("not json", {"llm": "tide"}, "No language model answers"),
    ],
)
def test_what_cannot_answer_is_refused_at_the_start(
    endpoint: ModelServer, manner: str, options: dict[str, object], message: str
) -> None:
    endpoint.manner = manner
    with pytest.raises(ModelUnavailable, match=message) as refused:
        named(endpoint, **options)
    assert "sesame" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_model_is_a_choice_and_a_missing_file_an_error(tmp_path: Path) -> None:
    assert open_llm(Settings(llm="none")) is None
    with pytest.raises(ModelUnavailable, match=r"DATELINE_LLM is '.*gone.gguf', which is no file. Expected 'packaged'"):
        open_llm(Settings(llm=str(tmp_path / "gone.gguf")))


@pytest.mark.models
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    (tmp_path / "x.gguf").write_bytes(b"GGUF, but not really")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        open_llm(Settings(llm=str(tmp_path / "x.gguf")))
