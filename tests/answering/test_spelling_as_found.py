"""Questions in the capitals of the articles that they find."""

from __future__ import annotations

import pytest

from rag.answering.spelling import with_capitals
from rag.schema import Article, Hit, Passage

TEXT = (
    "On Friday the mayor of New York met Luther Voss of NATO. A new bridge in York was shown to the mayor. "
    "Yesterday it rained."
)


def hits() -> list[Hit]:
    article = Article(id="a", title="", text=TEXT, language="en", source="a")
    return [Hit(passage=Passage(article=article, number=0, start=0, end=len(TEXT)), score=1.0)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("what did luther voss of nato say?", "what did Luther Voss of NATO say?"),
        ("What did luther voss say?", "What did Luther Voss say?"),
        (
            "who showed a new bridge in york?",
            "who showed a new bridge in York?",
        ),  # "new" stands there in lower case too
        ("What did Luther voss say?", "What did Luther voss say?"),  # whoever writes one capital writes them all
        ("what happened yesterday?", "what happened yesterday?"),
        ("", ""),
    ],
)
def test_a_question_without_capitals_gets_those_of_the_names_found(question: str, expected: str) -> None:
    assert with_capitals(question, hits()) == expected


def test_without_hits_a_question_stays_as_it_is() -> None:
    assert with_capitals("who is luther voss?", []) == "who is luther voss?"
