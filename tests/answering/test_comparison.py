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


BRANNAGH = article("first", "Storm Brannagh killed eleven. Homes were wet.", "2025-03-05")
YSOLDE = article("second", "Storm Ysolde killed seven. Homes were wet too.", "2026-02-06")


def test_the_sides_of_two_names_are_told_in_a_question_without_capitals():
    both = article("both", "After Brannagh came Ysolde. By then Brannagh was forgotten.", "2026-03-28")
    one, other = comparison.sides_of(material("brannagh vs ysolde homes", BRANNAGH, YSOLDE, both))
    assert [{line.article.id for line in side} for side in (one, other)] == [{"first", "both"}, {"second"}]


def test_a_name_of_two_words_stands_for_one_side():
    ridge = article("ridge", "The fire on Kestrel Ridge is out. The whole Ridge is black.", "2025-08-12")
    sierra = article("sierra", "The fire in the Sierra Almenara is out. A machine began it.", "2025-08-12")
    ferry = article("ferry", "The ferry Kestrel Sound was on fire.", "2025-06-15")
    subject = "the fires of Kestrel Ridge and Sierra Almenara"
    one, other = comparison.sides_of(material(subject, ridge, sierra, ferry))
    assert [{line.article.id for line in side} for side in (one, other)] == [{"ridge"}, {"sierra"}]


def test_the_other_reports_of_its_story_stand_beside_that_of_a_year_and_a_later_figure_first():
    early = article("early", "At least four people died in the flood.", "2025-02-13")
    late = article("late", "In the end the flood killed eleven people.", "2025-03-05")
    stories = {"early": "flood", "late": "flood"}
    compared = material("flood deaths 2025 and 2026", early, late, YSOLDE, stories=stories)
    one, other = comparison.sides_of(compared)
    assert [line.article.id for line in one] == ["early", "late"]
    assert {line.article.id for line in other} == {"second"}
    told, _ = comparison.side_by_side((one, other), compared)
    assert told[0].article.id == "late"


def test_a_report_that_is_about_something_else_is_no_side_for_naming_the_year():
    cup = article("cup", "Castellan won the cup final.", "2025-05-31")
    league = article("league", "The season of 2024-2025 is over.", "2025-05-25")
    this = article("this", "Harrow Bay won the cup final.", "2026-05-30")
    compared = material("cup final 2025 and 2026", cup, league, this, shares={"cup": 1.0, "league": 0.6, "this": 0.8})
    assert [line.article.id for line in comparison.sides_of(compared)[0]] == ["cup"]


def test_a_comparison_of_long_articles_stays_short_and_tells_each_side_alike():
    facts = {
        year: article(
            f"of{year}",
            " ".join(f"Ward {number} of the city paid {year + number} crowns for {thing}." for number, thing in things),
            f"{year}-06-01",
        )
        for year in (2025, 2026)
        for things in [list(enumerate("bread salt milk wine fish rice corn beer".split(), 3))]
    }
    told = comparison.compose(material("what wards paid in 2025 and 2026", *facts.values()))
    sides = [sum(f"June {year}" in sentence.text for sentence in told) for year in (2025, 2026)]
    assert sides == [comparison.MOST // 2] * 2
    assert [sentence.side for sentence in told] == [1] * sides[0] + [2] * sides[1]


def test_a_comparison_sets_sentences_that_count_the_same_against_each_other(monkeypatch):
    monkeypatch.setattr(comparison, "MOST", 4)
    last = article("last", "The festival was wet. In the rain 47,850 tickets were sold.", "2025-05-19")
    songs = "A choir sang 4 songs in 5 towns for 30 minutes. The mayor ate 6 eggs, 7 buns and 88 plums."
    this = article("this", f"{songs} In all 41,300 tickets were sold.", "2026-05-18")
    compared = material("festival 2025 and 2026", last, this)
    one, other = comparison.side_by_side(comparison.sides_of(compared), compared)
    assert ["47,850" in one[1].text, "41,300" in other[1].text] == [True, True]


def test_a_spanish_sentence_that_opens_with_an_article_is_quoted_alone():
    report = article("league", "Ganó el Villasera. El equipo de Merino cierra el curso con 74 puntos.", language="es")
    assert [line.text for line in quotable(lines(report))][1:] == ["El equipo de Merino cierra el curso con 74 puntos."]
