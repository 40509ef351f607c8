"""Disagreement: people in one office, figures that count the same, accusations, and what an outlet corrected."""

import pytest
from test_compose import CORRECTED, HURT, article, lines, material

from rag.answering.compose import disagreement
from rag.answering.compose.figures import figures_alike, phrases
from rag.answering.compose.sentences.offices import holders_of

FIRST = article(
    "first",
    'Norland Bank lost money. "We have time," said Ann Holt, the chief executive. The finance director, Victor Amadi, '
    "did not speak.",
    "2025-03-13",
    "Observer",
)
SECOND = article(
    "second",
    "Norland Bank made a profit. Chief executive Rowan Finch was pleased. The harbour director, Hester Vance, too.",
    "2026-06-11",
    "Daily",
)


def told(subject, *articles, **others):
    return [sentence.text for sentence in disagreement.compose(material(subject, *articles, **others))]


def test_two_people_in_one_office_are_both_named_with_the_last_day_of_each():
    lead, *quoted = told("Who is chief executive of Norland Bank?", FIRST, SECOND)
    assert lead == (
        "The articles name 2 people in this office: Ann Holt (last on 13 March 2025), "
        "Rowan Finch (last on 11 June 2026)."
    )
    assert ["Ann Holt" in quoted[0], "Rowan Finch" in quoted[1]] == [True, True]


def test_an_office_is_told_by_the_words_beside_the_name_and_not_by_the_head_word_alone():
    found = holders_of(material("Who is the finance director of Norland Bank?", FIRST, SECOND))
    assert {one.last_name for one in found} == {"amadi"}


def test_the_director_of_another_body_holds_another_office():
    guest = article("guest", "The Costa Lunada director Elena Sanz won at the Selwyn film festival.", "2026-05-18")
    own = article("own", "The Selwyn film festival ended. Its director, Roland Beech, was glad.", "2025-05-19")
    found = holders_of(material("Who is director of the Selwyn film festival?", guest, own))
    assert {one.last_name for one in found} == {"beech"}


def test_one_person_in_an_office_is_no_disagreement():
    assert not any("in this office" in text for text in told("Who is chief executive of Norland Bank?", FIRST))


def test_figures_are_compared_that_count_the_same():
    autumn = article("autumn", "Norland Bank employs 830 people in Orrin.", "2025-09-16", "Daily")
    spring = article(
        "spring", "Norland Bank rose 8.4 per cent on Thursday. The bank employed 688 people in winter.", "2026-03-12"
    )
    found = figures_alike(
        material("How many people does Norland Bank employ?", autumn, spring), "How many people employ"
    )
    assert {one.value for one in found} == {"830", "688"}


def test_an_outlet_that_gives_another_figure_much_later_tells_of_a_change_and_the_last_day_is_named():
    later = article("later", "In the end 31 people were hurt at the pier.", "2025-06-26", "Gazette")
    lead, *quoted = told("how many people were hurt", HURT, later)
    assert lead.startswith("The figure changed with time")
    assert lead.endswith("The last is of 26 June 2025.")
    assert ["Twenty-three" in quoted[0], "31 people" in quoted[1]] == [True, True]


def test_the_later_report_that_tells_the_earlier_figure_again_says_how_it_moved():
    later = article(
        "later", "In the end 31 people were hurt. Police had spoken of 23 hurt, then of 27.", "2025-06-26", "Tide"
    )
    assert any("then of 27" in text for text in told("how many people were hurt", HURT, later))


def test_a_correction_is_quoted_to_the_end_of_its_paragraph_and_only_beside_what_is_right():
    note = article("note", CORRECTED.text + " The right number is 78.", "2025-05-22", "Courier")
    lead, right, correction = told("number of cases of measles", note)
    assert lead == "Only one independent report tells of this, and its outlet has corrected it:"
    assert "has 78 cases" in right
    assert correction.endswith("as 87. The right number is 78.")


def test_who_blames_whom_is_told_by_both_speakers():
    crash = article(
        "crash",
        "The boats met at night. Dorian Pike said the other boat was to blame. Lucia Benavides said that was untrue.",
        "2025-03-17",
    )
    lead, *quoted = told("Who blames whom for the crash of the boats?", crash)
    assert lead.startswith("Only one report tells of this")
    assert [("Pike" in text, "Benavides" in text) for text in quoted] == [(True, False), (False, True)]


def test_a_time_of_day_counts_nothing_and_a_measure_does():
    (line,) = lines(
        article("ferry", "It left at 17.30 and struck the wall at 19.12, after 6.84 metres and 21.4 knots.")
    )
    assert [value for value, _ in phrases(line)] == ["6.84", "21.4"]


@pytest.mark.parametrize(("text", "value"), [("cut to 4.25%.", "4.25%"), ("paid $3.50, the firm says.", "3.50")])
def test_a_percentage_or_a_price_is_no_time_of_day(text, value):
    (line,) = lines(article("bank", f"The rate of the bank was {text}"))
    assert [found for found, _ in phrases(line)] == [value]


def test_each_speaker_whom_a_question_names_is_told_from_one_article_wherever_it_stands():
    rain = "It rained on the town and the wind blew. " * 16
    debate = article("debate", f"{rain}Vera Marsh said seven schools will shut. Tom Renner said it was nineteen.")
    other = article("other", "Tom Renner said the bread was good. The mayor was glad.", "2026-02-06")
    lead, *quoted = told("Marsh and Renner on how many schools will shut", other, debate)
    assert lead == "This is told of those whom the question names:"
    assert [["seven" in text, "nineteen" in text] for text in quoted] == [[True, False], [False, True]]


def test_the_outlets_that_a_question_names_are_no_speakers():
    one = article(
        "one", "Harrow Bay said 23 people were hurt. Tide Hill said it was 17.", "2025-06-15", "Harrow Bay News"
    )
    said = told("how many people were hurt according to Bay News and Hill", one)
    assert not any("whom the question names" in text for text in said)
