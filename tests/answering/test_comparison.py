"""Comparisons: sentences that state the difference, results told in the next year, and what stands against what."""

from dataclasses import replace

import pytest
from fakes import WordEmbedder
from test_compose import article, lines, material, texts

from rag.answering.compose import comparison
from rag.answering.compose.material import year_of
from rag.answering.compose.sentences.stated import states_difference
from rag.answering.compose.wording import quotable
from rag.answering.kinds.cues import subject_of

SPENDING = article(
    "spending",
    "The council met for five hours. Spending comes to 612 million crowns, against 588 million in 2025. It rained.",
    "2025-12-17",
    "Courier",
)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Spending comes to 612 million crowns, against 588 million in 2025."),
        ("en", "It makes the crossing in 80 minutes, 22 fewer than the Kestrel Sound."),
        ("es", "El gasto sube a 612 millones, frente a 588 millones en 2025."),
        ("de", "Das Schiff braucht 80 Minuten, 22 weniger als das alte."),
        ("fr", "Le budget atteint 612 millions, contre 588 millions en 2025."),
        ("it", "La spesa sale a 612 milioni, contro 588 milioni nel 2025."),
        ("pt", "A despesa sobe para 612 milhões, contra 588 milhões em 2025."),
        ("nl", "De overtocht duurt 80 minuten, 22 minder dan vroeger."),
    ],
)
def test_a_sentence_that_sets_two_numbers_against_each_other_states_a_difference(language, text):
    (line,) = lines(article("one", text, language=language))
    assert states_difference(line)


@pytest.mark.parametrize("text", ["Schools with fewer than 40 pupils may close.", "In 2026 it was more than in 2025."])
def test_a_limit_and_a_year_state_no_difference(text):
    (line,) = lines(article("one", text))
    assert not states_difference(line)


def test_a_sentence_that_states_the_difference_comes_first_and_suffices_where_there_is_one_side():
    found = material("what spending comes to", SPENDING)
    near = [replace(line, vector=WordEmbedder().embed_passages([line.text])[0]) for line in found.lines]
    told = texts(comparison.compose(replace(found, lines=tuple(near))))
    assert [text.split(": ")[1][:8] for text in told] == ["Spending"]


def test_the_results_of_a_year_are_told_in_the_first_months_of_the_next():
    results = article("results", "The company made a profit of 9 million crowns in 2025.", "2026-03-12")
    budget = article("budget", "The budget for 2026 is larger than that of 2025.", "2026-03-05")
    late = article("late", "The company made a profit of 9 million crowns in 2025.", "2026-09-12")
    assert [year_of(one) for one in (results, budget, late)] == [2025, 2026, 2026]


def test_two_reports_of_one_day_and_story_are_no_two_sides():
    crash = article("crash", "The ferry hit the pier at Dunmere harbour.", "2025-06-15", "Gazette")
    again = article("again", "The ferry ran into the pier of Dunmere harbour.", "2025-06-15", "Tide")
    new = article("new", "A new ferry runs to the pier at Dunmere harbour.", "2026-03-19", "News")
    stories = {"crash": "crash", "again": "crash"}
    one, other = comparison.sides_of(
        material("the new ferry and the one it replaced", crash, again, new, stories=stories)
    )
    assert (one[0].article.id, other[0].article.id) == ("crash", "new")


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("Who runs the bank? Our stories don't seem to agree", "Who runs the bank?"),
        ("Who chairs the cooperative - I keep finding two names", "Who chairs the cooperative"),
        ("How many left their homes, do the stories give one number?", "How many left their homes"),
        ("Wie viele Tote gab es? Die Meldungen nennen verschiedene Zahlen", "Wie viele Tote gab es?"),
        ("did reports of the death toll conflict?", "death toll"),
    ],
)
def test_what_a_question_says_of_its_sources_is_not_its_subject(question, subject):
    assert subject_of(question, "disagreement") == subject


def test_a_spanish_sentence_that_opens_with_an_article_is_quoted_alone():
    report = article("league", "Ganó el Villasera. El equipo de Merino cierra el curso con 74 puntos.", language="es")
    assert [line.text for line in quotable(lines(report))][1:] == ["El equipo de Merino cierra el curso con 74 puntos."]
