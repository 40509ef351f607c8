"""OpenAI's shapes: the pure functions, then the official client and llama-index's OpenAILike against a real server."""

from __future__ import annotations

import asyncio
import struct
from base64 import b64decode
from dataclasses import replace
from typing import Any

import numpy as np
import openai
import pytest
from conftest import Asked, Served
from fakes import ModelServer, ScriptedLLM, WordEmbedder

from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.interfaces.http.openai_replies import message_of, url_citations
from rag.interfaces.http.openai_requests import (
    BadOpenAIRequest,
    ChatRequest,
    count_tokens,
    parse_chat,
    parse_embedding,
)
from rag.interfaces.json import answer_data
from rag.models.chat import LLM, OpenAIChat
from rag.models.sampling import effective
from rag.schema import Answer, Article, Citation, Coverage, Passage, Sentence
from rag.serving.answer_queue import AnswerRequest
from rag.settings import Settings

QUESTION = "Where did the ferry Castellan run aground?"
REPLY = "The ferry Castellan ran aground on a sandbank off Port Selwyn. Nobody was hurt. It carried 500 horses."


HOSTED = OpenAIChat(url="http://127.0.0.1:9/v1", model="m", key="", name="m", timeout=1, evidence_tokens=300)


def parse(llm: LLM | None = HOSTED, **body: Any) -> ChatRequest:
    asked = {"model": "dateline", "messages": [{"role": "user", "content": "Q?"}]}
    return parse_chat(asked | body, llm)


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_the_last_user_message_is_the_question_and_the_rest_its_history() -> None:
    asked = parse(
        messages=[
            said("system", "Be a pirate."), said("user", "First?"), said("assistant", "Yes [1][2]. No [unsupported]."),
            said("user", [{"type": "text", "text": "Second?"}]),
        ]
    )  # fmt: skip
    assert asked.asked.question == "Second?"
    assert [(turn.question, turn.answer) for turn in asked.asked.history] == [("First?", "Yes. No.")]
    assert "can be checked" in asked.ignored["system"]


def test_what_asks_for_nothing_passes() -> None:
    asked = parse(
        n=1, tools=[], response_format={"type": "text"}, user="u", presence_penalty=0, temperature=0, top_p=1,
        logprobs=False, modalities=["text"], store=False, stream_options=None, service_tier="auto", verbosity=None,
    )  # fmt: skip
    assert asked.ignored == {}
    assert effective(asked.asked.sampling) == {}


def test_sampling_parameters_go_with_the_question() -> None:
    asked = parse(temperature=0.7, top_p=0.9, seed=5, frequency_penalty=-1)
    assert asked.asked.sampling == {"temperature": 0.7, "top_p": 0.9, "seed": 5, "frequency_penalty": -1}
    assert asked.ignored == {}


def test_without_chance_there_is_nothing_to_seed() -> None:
    assert effective({"top_p": 0.5, "seed": 5}) == {}
    assert effective({"temperature": 0, "seed": 5, "presence_penalty": 0.5}) == {"presence_penalty": 0.5}
    assert effective({"temperature": 0.1, "top_p": 1, "seed": 0}) == {"temperature": 0.1, "seed": 0}


def test_where_no_model_writes_parameters_are_reported_as_without_effect() -> None:
    asked = parse(None, temperature=0.7, top_p=1)
    assert asked.ignored == {
        "temperature": "no language model writes: the answer is sentences of the articles, verbatim"
    }
    assert parse(None, temperature=0, seed=1).ignored == {}


def test_a_model_that_takes_no_parameters_refuses_them() -> None:
    with pytest.raises(
        BadOpenAIRequest, match=r"'temperature' cannot be 0.1 here: the model scripted keeps"
    ) as refused:
        parse(ScriptedLLM(), temperature=0.1)
    assert refused.value.param == "temperature"
    assert parse(ScriptedLLM(), temperature=0, top_p=1).ignored == {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"frequency_penalty": 3}, "frequency_penalty"),
        ({"presence_penalty": "much"}, "presence_penalty"),
        ({"seed": 1.5}, "seed"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"verbosity": "low"}, "verbosity"),
        ({"store": True}, "store"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"colour": 1}, "colour"),
        ({"dateline": 1}, "dateline"),
        ({"messages": []}, "messages"),
        ({"messages": "Q?"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [said("tool", "x")]}, "messages[0]"),
        ({"messages": [said("user", [{"type": "image_url"}])]}, "messages[0]"),
        ({"messages": [said("user", "Q?"), said("assistant", "A.")]}, "messages"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadOpenAIRequest) as refused:
        parse(**body)
    assert (refused.value.param, refused.value.status) == (param, 400)
    assert str(refused.value).endswith((".", ".'"))


def answer_of(*sentences: tuple[str, str]) -> Answer:
    found = tuple(Sentence(text=text, verdict=verdict) for text, verdict in sentences)  # type: ignore[arg-type]
    return Answer(question="Q?", answered=True, model="m", coverage=Coverage(articles=1), sentences=found)


def message(answer: Answer, **limits: Any) -> tuple[str, str]:
    cut = message_of(answer, ChatRequest(asked=AnswerRequest(question="Q?"), **limits))
    return cut.text, cut.finish_reason


RAIN = answer_of(("It rained.", "supported"), ("It snowed.", "unsupported"), ("It froze.", "supported"))


def test_a_sentence_that_failed_its_check_says_so_in_the_text() -> None:
    assert message(RAIN) == ("It rained. It snowed. [unsupported] It froze.", "stop")


def test_words_of_an_article_are_no_markdown_and_no_citation() -> None:
    hostile = answer_of(("He quit [3][7], see ![x](http://a.example/p.png) and <img src=x> or `x`.", "supported"))
    assert message(hostile) == (
        r"He quit \[3]\[7], see !\[x](http://a.example/p.png) and \<img src=x> or \`x\`.",
        "stop",
    )


def test_a_contradicted_sentence_has_its_source_at_the_warning_alone() -> None:
    article = Article(id="rain", title="Rain", text="It rained.")
    citation = Citation(number=2, passage=Passage(article=article, number=0, start=0, end=10), start=0, end=10)
    snow = Sentence(text="It snowed.", verdict="contradicted", citations=(citation,), reason="it rained")
    found = message_of(replace(RAIN, sentences=(snow,)), ChatRequest(asked=AnswerRequest(question="Q?")))
    assert found.text == "It snowed. [contradicted by 2]"
    (annotation,) = url_citations(found, lambda one: one.passage.article.id)
    span = annotation.url_citation
    assert found.text[span.start_index : span.end_index] == "[contradicted by 2]"
    assert message(replace(RAIN, sentences=(snow,)), max_tokens=4) == ("", "length")


def test_max_tokens_cuts_at_four_bytes_a_token_and_says_length() -> None:
    assert count_tokens("It rained.") == 3  # 10 bytes
    assert message(RAIN, max_tokens=2) == ("It raine", "length")
    assert message(RAIN, max_tokens=100)[1] == "stop"


def test_a_cut_never_takes_the_warning_off_a_sentence() -> None:
    # 20 bytes end within "It snowed."
    assert message(RAIN, max_tokens=5) == ("It rained. ", "length")


def test_stop_cuts_before_its_first_place() -> None:
    assert message(RAIN, stop=("froze", "nothing")) == ("It rained. It snowed. [unsupported] It ", "stop")
    assert message(RAIN, stop=("snowed",)) == ("It rained. ", "stop")


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def ask(url: str, **options: Any) -> Any:
    given = {"model": "dateline", "messages": [said("user", QUESTION)]} | options
    return client(url).chat.completions.create(**given)


def test_the_client_gets_the_answer_with_its_sources(serve: Served, assistant: Asked) -> None:
    expected = assistant(REPLY).ask(QUESTION)
    reply = ask(serve(assistant(REPLY)))
    choice = reply.choices[0]
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert {**reply.dateline, "timings": 0, "ignored": 0} == {**answer_data(expected), "timings": 0, "ignored": 0}
    cited = [citation for sentence in expected.sentences for citation in sentence.citations]
    for annotation, citation in zip(choice.message.annotations, cited, strict=True):
        assert annotation.type == "url_citation"
        place = annotation.url_citation
        assert f"[{citation.number}]" in choice.message.content[place.start_index : place.end_index]
        assert place.url == citation.passage.article.url
        assert place.title == citation.passage.article.title
    assert "horses. [unsupported]" in choice.message.content or "horses" not in choice.message.content
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.completion_tokens == count_tokens(choice.message.content)


def pieces(stream: Any) -> tuple[str, list[Any]]:
    chunks = list(stream)
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks


@pytest.mark.parametrize("extraction", [True, False])
def test_a_stream_says_the_same_and_brings_the_sources_first_and_last(
    serve: Served, assistant: Asked, extraction: bool
) -> None:
    replies = () if extraction else (REPLY, REPLY)
    url = serve(assistant(*replies, extraction=extraction))
    whole = ask(url)
    text, chunks = pieces(ask(url, stream=True, stream_options={"include_usage": True}))
    assert text == whole.choices[0].message.content
    assert chunks[0].dateline["hits"] == whole.dateline["hits"]
    last = chunks[-2]
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].delta.annotations == [a.model_dump() for a in whole.choices[0].message.annotations]
    assert last.dateline["sentences"] == whole.dateline["sentences"]
    assert chunks[-1].usage == whole.usage


def test_what_is_withheld_at_the_end_was_never_sent(serve: Served, assistant: Asked) -> None:
    # Nothing in the articles carries the reply: the answer is a refusal, streamed or not.
    text, chunks = pieces(ask(serve(assistant("Zebras won the Lunada cup. They ate 12 cakes.")), stream=True))
    assert text.startswith("The archive does not answer this.")
    assert chunks[-1].dateline["answered"] is False
    assert "Zebras" not in text


def test_a_model_that_judges_itself_sends_nothing_before_the_end(serve: Served, assistant: Asked) -> None:
    text, chunks = pieces(ask(serve(assistant(REPLY, belief=0.9)), stream=True))
    assert [bool(c.choices[0].delta.content) for c in chunks] == [False, True, False]
    assert text.startswith("The ferry Castellan")


def test_stop_and_max_tokens_hold_in_a_stream(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(REPLY, REPLY, REPLY))
    whole, _ = pieces(ask(url, stream=True))
    text, chunks = pieces(ask(url, stream=True, stop="sandbank"))
    assert text == whole[: whole.index("sandbank")]
    assert chunks[-1].choices[0].finish_reason == "stop"
    text, chunks = pieces(ask(url, stream=True, max_tokens=5))
    assert (text, chunks[-1].choices[0].finish_reason) == (whole[:20], "length")


def test_the_async_client_streams_and_asks(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))

    async def both() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as one:
            messages: Any = [said("user", QUESTION)]
            whole = await one.chat.completions.create(model="dateline", messages=messages)
            stream = await one.chat.completions.create(model="dateline", messages=messages, stream=True)
            parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return whole.choices[0].message.content or "", "".join(parts)

    whole, streamed = asyncio.run(both())
    assert "sandbank off Port Selwyn" in whole
    assert streamed == whole


def test_history_is_used_for_a_follow_up(serve: Served, assistant: Asked) -> None:
    messages = [said("user", QUESTION), said("assistant", "Off Port Selwyn [1]."), said("user", "Who was hurt?")]
    reply = ask(serve(assistant(extraction=True)), messages=messages)
    assert reply.dateline["hits"][0]["article_id"] in ("a1", "a2")


def test_filters_come_in_the_extra_field(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(extraction=True))
    question = [said("user", "What did the Bank of Corvane do with its key rate?")]
    reply = ask(url, messages=question, extra_body={"dateline": {"since": "2026-01-01", "outlets": ["Corvane Ledger"]}})
    assert {hit["article_id"] for hit in reply.dateline["hits"]} == {"a10"}
    for wrong in (
        {"since": 5},
        {"outlets": "The Tide"},
        {"colour": []},
        {"since": "soon"},
        {"kind": 5},
        {"kind": "poem"},
    ):
        with pytest.raises(openai.BadRequestError):
            ask(url, extra_body={"dateline": wrong})


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"model": "gpt-4"}, openai.NotFoundError, "The model 'gpt-4' is not served here. Known: dateline"),
        ({"n": 2}, openai.BadRequestError, "'n' cannot be 2 here: one answer is given to a question"),
        ({"messages": [said("user", " ")]}, openai.BadRequestError, "The question is empty"),
        ({"messages": [said("user", "x" * 3000)]}, openai.BadRequestError, "3,000 characters"),
        ({"stream": True, "messages": [said("user", " ")]}, openai.BadRequestError, "The question is empty"),
    ],
)
def test_errors_are_those_of_the_client(
    serve: Served, assistant: Asked, options: dict[str, Any], error: type[openai.APIStatusError], text: str
) -> None:
    with pytest.raises(error, match=text) as raised:
        ask(serve(assistant(extraction=True)), **options)
    assert raised.value.type == "invalid_request_error"


def test_a_model_that_dies_in_a_stream_raises_in_the_client(serve: Served, assistant: Asked) -> None:
    url = serve(assistant(ModelUnavailable("The language model fell over."), ModelUnavailable("Again.")))
    with pytest.raises(openai.APIError, match="fell over"):
        list(ask(url, stream=True))
    with pytest.raises(openai.InternalServerError, match="Again"):
        ask(url)


def test_models_are_listed_and_found(serve: Served, assistant: Asked) -> None:
    one = client(serve(assistant(extraction=True)))
    assert [model.id for model in one.models.list()] == ["dateline", "fake/words"]
    assert one.models.retrieve("fake/words").owned_by == "dateline"
    with pytest.raises(openai.NotFoundError):
        one.models.retrieve("gpt-4")


def test_embeddings_are_those_of_the_archive_as_floats_and_as_base64(serve: Served, assistant: Asked) -> None:
    one = client(serve(assistant(extraction=True)))
    texts = ["harbour strike", "鐵路"]
    expected = WordEmbedder().embed_passages(texts)
    floats = one.embeddings.create(model="fake/words", input=texts, encoding_format="float")
    assert np.allclose([row.embedding for row in floats.data], expected)
    packed = one.embeddings.create(model="fake/words", input=texts)  # the client asks for base64 and unpacks it
    assert np.allclose([row.embedding for row in packed.data], expected)
    raw = one.embeddings.with_raw_response.create(model="fake/words", input=texts[0], encoding_format="base64")
    encoded = raw.http_response.json()["data"][0]["embedding"]
    assert np.allclose(struct.unpack("<256f", b64decode(encoded)), expected[0])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"), ({"input": [1, 2]}, "input"), ({"input": ""}, "input"), ({}, "input"),
        ({"input": "x", "dimensions": 10}, "dimensions"), ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "x", "input_type": "image"}, "input_type"), ({"input": "x", "colour": 1}, "colour"),
    ],
)  # fmt: skip
def test_embeddings_that_cannot_be_made_are_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadOpenAIRequest) as refused:
        parse_embedding(body, 256)
    assert refused.value.param == param


@pytest.fixture
def hosted(stored: Archive, endpoint: ModelServer) -> Assistant:
    """An assistant whose answers that model writes."""
    llm = OpenAIChat(url=endpoint.url, model="tide", key="", name="tide", timeout=10, evidence_tokens=300)
    return Assistant(stored, WordEmbedder(), llm, Settings(data_dir=stored.folder, llm="none"))


def test_the_parameters_of_a_question_reach_the_model_and_only_those(
    serve: Served, hosted: Assistant, endpoint: ModelServer
) -> None:
    url = serve(hosted)
    ask(url, temperature=0.7, top_p=0.9, seed=5, presence_penalty=1)
    ask(url)
    pieces(ask(url, temperature=0, top_p=0.9, stream=True))
    names = ("temperature", "top_p", "seed", "presence_penalty")
    sent = [{name: body[name] for name in names if name in body} for body in endpoint.bodies]
    assert sent == [
        {"temperature": 0.7, "top_p": 0.9, "seed": 5, "presence_penalty": 1},
        {"temperature": 0.0},
        {"temperature": 0.0},
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_llama_index_with_its_own_default_is_answered_at_that_temperature(
    serve: Served, hosted: Assistant, endpoint: ModelServer
) -> None:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    llm = OpenAILike(model="dateline", api_base=f"{serve(hosted)}/v1", api_key="none", is_chat_model=True)
    assert llm.chat([ChatMessage(role="user", content=QUESTION)]).raw.dateline["ignored"] == {}
    assert [body["temperature"] for body in endpoint.bodies] == [llm.temperature] == [0.1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_llama_index_speaks_to_it(serve: Served, assistant: Asked) -> None:
    from llama_index.core.base.llms.types import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    url = serve(assistant(extraction=True))
    llm = OpenAILike(model="dateline", api_base=f"{url}/v1", api_key="none", is_chat_model=True)
    reply = llm.chat([ChatMessage(role="user", content=QUESTION)])
    assert "sandbank off Port Selwyn" in str(reply.message.content)
    assert reply.raw.dateline["citations"][0]["quote"] in str(reply.message.content).replace(" [1]", "")
    streamed = "".join(piece.delta or "" for piece in llm.stream_chat([ChatMessage(role="user", content=QUESTION)]))
    assert streamed == reply.message.content
