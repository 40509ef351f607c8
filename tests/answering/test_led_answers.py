"""Answers that a model leads and the articles' own sentences follow."""

from typing import Any

import pytest

from rag.answering.conversation.followups import read
from rag.answering.quoting import CLOSEST, is_quoted, led, quoted
from rag.answering.sentence_selection import Candidate, Evidence
from rag.language.sentences import is_question, sentence_spans
from rag.schema import Article, Citation, Passage, Sentence

TEXT = "The ferry struck a wall. Seventeen were hurt. The captain had reported a failure."
ARTICLE = Article(id="ferry", title="Ferry", text=TEXT, language="en")
WALL, HURT, CAPTAIN = (0, 24), (25, 45), (46, len(TEXT))


def cited(text: str, span: tuple[int, int], number: int) -> Sentence:
    passage = Passage(article=ARTICLE, number=0, start=0, end=len(TEXT))
    citation = Citation(number=number, passage=passage, start=span[0], end=span[1])
    return Sentence(text=text, verdict="supported", citations=(citation,))


def quote(span: tuple[int, int], number: int) -> Sentence:
    return cited(TEXT[slice(*span)], span, number)


def test_what_the_lead_says_is_not_quoted_again_and_numbers_have_no_gap() -> None:
    told = led([cited("Seventeen people were hurt.", HURT, 4)], [CLOSEST, quote(WALL, 1), quote(HURT, 2)])
    assert [(one.text, [c.number for c in one.citations]) for one in told] == [
        ("Seventeen people were hurt.", [1]), ("The ferry struck a wall.", [2]),
    ]  # fmt: skip


def test_one_place_keeps_one_number() -> None:
    first, second = led([cited("A wall was struck, and the captain spoke.", WALL, 3)], [quote(CAPTAIN, 1)])[:2]
    assert (first.citations[0].number, second.citations[0].number) == (1, 2)
    again = led([cited("Spoken: the sea was calm.", WALL, 3)], [quote(WALL, 1)])
    assert {c.number for one in again for c in one.citations} == {1}


def test_quotations_that_a_sentence_counts_all_stay() -> None:
    count = Sentence(
        text="The sources may differ: 2 independent sources each give another answer.", verdict="supported"
    )
    told = led([cited("Seventeen were hurt.", HURT, 1)], [count, quote(HURT, 1), quote(WALL, 2)])
    assert len(told) == 4


@pytest.mark.parametrize(
    ("text", "stays"), [("Seventeen were hurt.", True), ("Seventeen were killed when the bridge fell.", False)]
)
def test_a_lead_says_little_but_what_it_cites(text: str, stays: bool) -> None:
    assert is_quoted(cited(text, HURT, 1)) is stays


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Who pays?", True),
        ("¿Quién paga?", True),
        ("谁付钱？", True),
        ("The mayor asked: “Who pays?”", False),
        ("No.", False),
    ],
)
def test_a_reported_question_is_no_question(text: str, asks: bool) -> None:
    assert is_question(text) is asks


@pytest.mark.parametrize(
    ("certain", "values"),
    [
        (True, {"closeness": 2.0, "coverage": 1.0}),
        (True, {"likeness": 0.9}),
        (True, {"tells": True}),
        (False, {"likeness": 0.4}),
        (False, {"likeness": 0.9, "closeness": 2.0, "coverage": 1.0, "tells": False}),
    ],
)
def test_where_it_is_not_certain_that_the_sentences_answer_that_is_said_first_and_there_are_three_at_most(
    certain: bool, values: dict[str, Any]
) -> None:
    text = "The ferry struck a wall. The ferry was towed. The ferry was old. The ferry had a bar. The ferry had a cook."
    passage = Passage(article=Article(id="a", title="", text=text, language="en"), number=0, start=0, end=len(text))
    found = tuple(Candidate(passage, *span, score=0.8) for span in sentence_spans(text))
    told = quoted(Evidence(candidates=found, **values), read("What became of the ferry?", (), None))
    assert (told[0] == CLOSEST) is (not certain)
    assert len([one for one in told if one.citations]) == (5 if certain else 3)
    assert CLOSEST not in told[1:]
