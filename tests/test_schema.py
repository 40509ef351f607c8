from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from datetime import date, datetime, timedelta, timezone

import pytest

import rag
from rag import schema
from rag.schema import Answer, Article, Citation, Coverage, Passage, Sentence, marked

TEXT = "It rained on Monday. It poured on Tuesday."
ARTICLE = Article(id="rain", title="Rain", text=TEXT)
PASSAGE = Passage(article=ARTICLE, number=3, start=0, end=20)


def citation(number: int, start: int = 0, end: int = 20) -> Citation:
    return Citation(number=number, passage=PASSAGE, start=start, end=end)


def answer(*sentences: Sentence, refusal: str = "") -> Answer:
    return Answer(
        question="?",
        answered=bool(sentences),
        model="m",
        coverage=Coverage(articles=1),
        sentences=sentences,
        refusal=refusal,
    )


def test_a_passage_and_a_quote_are_the_very_words_of_the_article() -> None:
    assert PASSAGE.text == "It rained on Monday."
    assert citation(1, 3, 9).quote == TEXT[3:9] == "rained"


def test_a_passage_id_names_article_and_number() -> None:
    assert PASSAGE.id == "rain#3"


def test_the_day_is_the_one_printed_by_the_outlet_not_the_one_in_utc() -> None:
    # 00:30 on the 5th at +13:00 is still the 4th in UTC
    moment = datetime(2025, 3, 5, 0, 30, tzinfo=timezone(timedelta(hours=13)))
    assert Article(id="x", title="", text="", published=moment).day == date(2025, 3, 5)
    assert ARTICLE.day is None


def test_nothing_that_flows_can_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ARTICLE.title = "Snow"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "numbers", "expected"),
    [
        ("It rained.", (1,), "It rained [1]."),
        ("It rained.", (1, 2), "It rained [1][2]."),
        ("Did it rain?", (1,), "Did it rain [1]?"),
        ("下雨了。", (1,), "下雨了 [1]。"),
        ("It rained", (1,), "It rained [1]"),
        ("It rained.", (), "It rained."),
        ("", (1,), " [1]"),
    ],
)
def test_markers_stand_before_the_final_stop(text: str, numbers: tuple[int, ...], expected: str) -> None:
    assert marked(Sentence(text=text, verdict="supported", citations=tuple(map(citation, numbers)))) == expected


def test_a_contradicted_sentence_has_no_markers() -> None:
    assert marked(Sentence(text="It snowed.", verdict="contradicted", citations=(citation(1),))) == "It snowed."


def test_an_answer_names_each_citation_once_in_order_of_its_number() -> None:
    one, two = citation(1), citation(2, 21, 42)
    said = answer(
        Sentence(text="B.", verdict="supported", citations=(two, one)),
        Sentence(text="A.", verdict="supported", citations=(one,)),
    )
    assert said.citations == (one, two)
    assert said.text == "B [2][1]. A [1]."


def test_the_text_of_a_refusal_is_the_refusal() -> None:
    assert answer(refusal="Not in the archive.").text == "Not in the archive."


def test_the_package_exports_what_it_says_and_nothing_else_is_missing() -> None:
    assert sorted(rag.__all__) == rag.__all__
    assert all(getattr(rag, name).__name__ == name for name in rag.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Retriever'"):
        rag.Retriever  # noqa: B018


def test_later_types_point_to_earlier_ones() -> None:
    order = ["Article", "Passage", "Hit", "Citation", "Sentence", "Answer"]
    for place, name in enumerate(order):
        mentioned = " ".join(str(field.type) for field in fields(getattr(schema, name)))
        assert not [later for later in order[place + 1 :] if later in mentioned]
