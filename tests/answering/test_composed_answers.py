"""Questions that a composer answers, asked of the demo archive with the packaged embedder and no language model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.experiments import demo
from rag.assistant import Assistant
from rag.errors import QuestionError
from rag.models import files
from rag.schema import QuestionKind
from rag.settings import Settings

pytestmark = [
    pytest.mark.models,
    pytest.mark.skipif(not files.has_packaged_e5(), reason="the multilingual embedder is not installed"),
]


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("demo"), llm="none")
    demo.fill_archive(settings)
    with Assistant.open(settings=settings) as opened:
        yield opened


@pytest.mark.parametrize(
    ("question", "kind", "said"),
    [
        (
            "Give me a timeline of the dock strike",
            "timeline",
            ["6 October 2025: Some 2,350 dockers walked out", "14 November 2025: Members", "15 November 2025: Dockers"],
        ),
        ("What is the key rate now?", "latest", ["5 February 2026", "to 4 per cent", "8 May 2025", "6 February 2025"]),
        ("What did Marsh say about the budget?", "statements", ["Marsh", "We borrowed less each year"]),
        ("How many articles does the archive hold?", "archive", ["84 articles from 22 January 2025"]),
    ],
)
def test_the_kind_of_a_question_gives_its_answer_a_form(
    assistant: Assistant, question: str, kind: QuestionKind, said: list[str]
) -> None:
    answer = assistant.ask(question)
    assert (answer.kind, answer.answered, answer.by_extraction) == (kind, True, True)
    places = [answer.text.find(words) for words in said]
    assert -1 not in places
    assert places == sorted(places)
    assert all(c.passage.article.text[c.start : c.end] == c.quote for c in answer.citations)
    assert all(sentence.citations for sentence in answer.sentences) or kind == "archive"


def test_a_question_that_no_composition_fits_is_answered_as_a_fact(assistant: Assistant) -> None:
    answer = assistant.ask("Nenne alle Kandidaten der Bürgermeisterwahl")
    assert answer.kind == "fact"
    assert assistant.search("Nenne alle Kandidaten der Bürgermeisterwahl") == list(answer.hits)


def test_the_caller_may_choose_another_form(assistant: Assistant) -> None:
    question = "What happened in the dock strike?"
    assert assistant.ask(question).kind != "timeline"
    answer = assistant.ask(question, kind="timeline")
    assert (answer.kind, answer.kind_dropped) == ("timeline", None)
    assert "6 October 2025: Some 2,350 dockers walked out" in answer.text
    plain = assistant.ask("Give me a timeline of the dock strike", kind="fact")
    assert (plain.kind, plain.kind_dropped) == ("fact", None)


@pytest.mark.parametrize(
    ("question", "kind"),
    [("Who landed on the moon?", "timeline"), ("Nenne alle Kandidaten der Bürgermeisterwahl", "statements")],
)
def test_a_form_that_finds_too_little_gives_way_to_a_plain_answer_that_says_so(
    assistant: Assistant, question: str, kind: QuestionKind
) -> None:
    answer = assistant.ask(question, kind=kind)
    assert (answer.kind, answer.kind_dropped) == ("fact", kind)


def test_a_form_that_is_none_is_refused(assistant: Assistant) -> None:
    with pytest.raises(QuestionError, match="kind is 'poem', expected one of fact, latest, timeline"):
        assistant.ask("Who won?", kind="poem")  # type: ignore[arg-type]
