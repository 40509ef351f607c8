"""Who has an office, or had it at a time: whom a sentence names in it, and which articles tell."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from answering_support import assistant_of
from fakes import WordEmbedder

from rag.answering.compose.material import Line, Material
from rag.answering.compose.sentences.nearness import Nearness
from rag.answering.compose.sentences.offices import named_in_office, offices_beside
from rag.answering.quoting import CLOSEST
from rag.answering.sentence_selection import Candidate
from rag.archive.archive import Archive
from rag.language.sentences import sentence_spans
from rag.schema import Article, Passage

TODAY = date(2026, 6, 18)


def in_office(subject: str, text: str, language: str = "en") -> set[str]:
    """Those whom the sentences of an article name in the office that a subject asks for."""
    article = Article(id="a", title="", text=text, language=language, source="a")
    passage = Passage(article=article, number=0, start=0, end=len(text))
    lines = [
        Line(Candidate(passage, *span), place, np.eye(256, dtype=np.float32)[place])
        for place, span in enumerate(sentence_spans(text))
    ]
    material = Material(subject, language, Nearness(WordEmbedder()), tuple(lines))
    return {one.name for one in named_in_office(material, share=1.0)}


@pytest.mark.parametrize(
    ("language", "text", "office", "named"),
    [
        ("en", "The mayor of Harrow Bay, Luther Voss, said so.", "mayor of Harrow Bay", "Luther Voss"),
        ("es", "La alcaldesa de Villasera, Amparo Ledesma, abrió el puente.", "alcaldesa de Villasera",
         "Amparo Ledesma"),
    ],
)  # fmt: skip
def test_whoever_is_named_behind_what_an_office_is_of_has_it(language: str, text: str, office: str, named: str) -> None:
    assert (named.casefold().split(), office) in list(offices_beside(text, language))
    assert in_office(office, text, language) == {named}


@pytest.mark.parametrize(
    "text",
    [
        "The mayor of Tamm Haven, Luther Voss, spoke in Harrow Bay.",  # the office of another town
        "The treasurer of Harrow Bay, Luther Voss, met the mayor.",  # another office of the town
    ],
)
def test_nobody_has_an_office_by_words_that_are_not_beside_the_name(text: str) -> None:
    assert in_office("mayor of Harrow Bay", text) == set()


def test_whoever_is_named_without_a_comma_behind_what_an_office_is_of_does_not_have_it() -> None:
    assert in_office("mayor of Selwyn", "The mayor of Selwyn met Luther Voss.") == set()
    assert in_office("mayor of Selwyn", "The mayor of Selwyn, Luther Voss, won.") == {"Luther Voss"}


def test_words_of_an_office_beside_one_name_are_not_those_of_another_in_the_sentence() -> None:
    text = "President Orla Finch and Prime Minister Helena Marsh looked on."
    assert in_office("prime minister", text) == {"Helena Marsh"}
    assert in_office("president", text) == {"Orla Finch"}


def test_words_of_an_office_far_from_the_only_name_are_those_of_its_bearer() -> None:
    assert in_office("prime minister", "Helena Marsh was sworn in as prime minister on Monday.") == {"Helena Marsh"}


def test_their_manager_is_not_the_manager_of_the_club_that_is_asked_for() -> None:
    guests = "Selwyn Rovers beat the guests 2-1. Their manager, Tam Hollis, praised Selwyn Rovers."
    assert in_office("manager of Selwyn Rovers", guests) == set()
    assert in_office("manager", guests) == {"Tam Hollis"}  # where no club is asked for
    own = "The Selwyn Rovers manager, Tam Hollis, was proud of his team."
    assert in_office("manager of Selwyn Rovers", own) == {"Tam Hollis"}


MAYORS = (
    (datetime(2025, 2, 3, tzinfo=UTC), "Mayor Rosa Quill opened the swimming pool in Harrow Bay. It rained all day."),
    (datetime(2025, 4, 3, tzinfo=UTC), "The mayor of Harrow Bay, Luther Voss, said the pool would close. It was cold."),
    (datetime(2025, 9, 3, tzinfo=UTC), "Harrow Bay will get a bridge. Mayor Imogen Vale showed the plans in the hall."),
)
PEOPLE = {"Rosa Quill", "Luther Voss", "Imogen Vale"}


@pytest.mark.parametrize(
    ("days", "named"),
    [
        ("in May 2025", "Luther Voss"),  # by the newest article until then
        ("in March 2025", "Rosa Quill"),
        ("in April 2025", "Luther Voss"),  # by an article of these days
        ("in January 2025", "Rosa Quill"),  # none is until then: by the first one after it
    ],
)
def test_who_had_an_office_at_a_time_is_told_by_the_newest_article_until_then_and_nobody_else_is_named(
    empty_archive: Archive, days: str, named: str
) -> None:
    answer = assistant_of(empty_archive, *MAYORS).ask(f"Who was the mayor of Harrow Bay {days}?", today=TODAY)
    assert {one for one in PEOPLE if one in answer.text} == {named}


def test_who_has_an_office_is_told_with_those_who_had_it_before(empty_archive: Archive) -> None:
    told = assistant_of(empty_archive, *MAYORS).ask("Who is the mayor of Harrow Bay?", today=TODAY).sentences
    assert "Imogen Vale" in told[0].text
    assert {one for one in PEOPLE for sentence in told[1:] if one in sentence.text} == {"Luther Voss", "Rosa Quill"}


NOBODY = (
    "The harbour commissioner of Selwyn, who was not named, opened the new dock on Friday. The dock cost nine million "
    "crowns.\n\nAbena Osei, harbour commissioner of Tamm Haven, was not there."
)


@pytest.mark.parametrize(
    "question",
    ["Who is the harbour commissioner of Selwyn?", "Who was harbour commissioner of Selwyn in January 2025?"],
)
def test_where_nobody_is_named_in_an_office_the_sentences_are_told_to_be_the_closest(
    empty_archive: Archive, question: str
) -> None:
    answer = assistant_of(empty_archive, (datetime(2025, 2, 3, tzinfo=UTC), NOBODY)).ask(question, today=TODAY)
    assert answer.sentences[0] == CLOSEST
    assert 1 <= len(answer.sentences[1:]) <= 3


def test_where_somebody_is_named_in_an_office_the_sentence_is_told_alone(empty_archive: Archive) -> None:
    asked = assistant_of(empty_archive, (datetime(2025, 2, 3, tzinfo=UTC), NOBODY))
    answer = asked.ask("Who is the harbour commissioner of Tamm Haven?", today=TODAY)
    assert [one.text for one in answer.sentences] == [
        "3 February 2025: Abena Osei, harbour commissioner of Tamm Haven, was not there."
    ]


def test_a_place_whose_stem_differs_from_its_name_is_no_part_of_the_office(empty_archive: Archive) -> None:
    greeted = "The mayor of Wells greeted the swimmer Ann Dow. She had crossed the strait."
    opened = "The mayor of Wells, Rosa Prat, opened the pool. It had been shut for a year."
    articles = [(datetime(2025, 3, 3, tzinfo=UTC), opened), (datetime(2025, 4, 3, tzinfo=UTC), greeted)]
    told = assistant_of(empty_archive, *articles).ask("Who is the mayor of Wells?", today=TODAY).sentences
    assert "Rosa Prat" in told[0].text


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Rosa Prat is the mayor of Wells, a town of 900 people.", True),
        ("Rosa Prat is angry at the mayor of Wells.", False),
        ("Rosa Prat, the newly elected mayor of Wells, danced.", False),
        ("Votes were last counted by hand in 1969, when Rosa Prat, the mayor of Wells, lost.", False),
        ("Was Rosa Prat, the mayor of Wells, at the opening?", False),
    ],
)
def test_an_office_is_told_of_now_by_a_statement_of_it(empty_archive: Archive, text: str, tells: bool) -> None:
    other = "Peter Lund, the mayor of Tamm, opened a road in Wells. It had been shut."
    articles = [(datetime(2025, 3, 3, tzinfo=UTC), f"{text} It rained."), (datetime(2025, 4, 3, tzinfo=UTC), other)]
    told = assistant_of(empty_archive, *articles).ask("Who is the mayor of Wells?", today=TODAY).sentences
    assert (told[0] != CLOSEST and "Rosa Prat" in told[0].text) is tells


@pytest.mark.parametrize(
    ("subject", "text", "language", "held"),
    [
        ("mayor of Wells", "Greta Maier, the deputy mayor of Wells, read a book.", "en", set()),
        ("deputy mayor of Wells", "Greta Maier, the deputy mayor of Wells, read a book.", "en", {"Greta Maier"}),
        ("Bürgermeister von Wels", "Karl Brandner, der Bürgermeisterkandidat von Wels, kam.", "de", set()),
        ("Bürgermeister von Wels", "Anna Seidel, die Bürgermeisterin von Wels, kam.", "de", {"Anna Seidel"}),
    ],
)
def test_a_deputy_and_a_candidate_do_not_have_the_office(
    subject: str, text: str, language: str, held: set[str]
) -> None:
    assert in_office(subject, text, language) == held
