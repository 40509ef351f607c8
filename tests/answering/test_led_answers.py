"""Answers that a model leads and the articles' own sentences follow."""

import pytest

from rag.answering.quoting import CLOSEST, is_quoted, led
from rag.language.sentences import is_question
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
