from __future__ import annotations

import pytest

from rag.answering.question import compares, expected, holds


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many people drowned?", "number"),
        ("What percentage voted?", "number"),
        ("¿Cuántos metros tendrá el muelle?", "number"),
        ("When do the talks start?", "date"),
        ("On which day did it happen?", "date"),
        ("¿Cuándo empiezan?", "date"),
        ("Who won the final?", "name"),
        ("¿Quién ganó?", "name"),
        ("Which yard built the ship?", "name"),
        ("Which of the two burned?", ""),
        ("Who said so when the rate was cut?", "name"),  # what is asked stands first
        ("When was the man who won born?", "date"),
        ("Why did it fail?", ""),
    ],
)
def test_the_kind_of_words_asked_for_is_read_from_the_question(question: str, kind: str) -> None:
    assert expected(question) == kind


def test_a_number_of_the_question_itself_is_no_answer() -> None:
    assert holds("number", "In 2025 eleven people drowned.", "How many drowned in 2025?")
    assert not holds("number", "In 2025 people drowned.", "How many drowned in 2025?")


def test_half_is_a_number() -> None:
    assert holds("number", "Lunada offered half.", "What share did Lunada offer?")


@pytest.mark.parametrize(
    ("question", "compared"),
    [
        ("Was inflation higher in April or in May?", True),
        ("Which paper counted more than the Tide?", True),
        ("¿Ganó más en 2024 o en 2025?", True),
        ("How many people drowned in 2025?", False),
        ("Who runs Selwyn & Orr Bank?", False),
    ],
)
def test_a_question_that_compares_may_need_two_articles(question: str, compared: bool) -> None:
    # "Orr" is no "or"
    assert compares(question) is compared


@pytest.mark.parametrize(
    ("question", "language", "kind"),
    [
        ("Combien de personnes sont mortes ?", "fr", "number"),
        ("Wann beginnen die Gespräche?", "de", "date"),
        ("Chi ha vinto la finale?", "it", "name"),
        ("Quantas pessoas morreram?", "pt", "number"),
        ("Wie won de finale?", "nl", "name"),
        (
            "Wie viele Menschen ertranken?",
            "nl",
            "number",
        ),  # its language may be told wrongly, or the article's be meant
        ("Wie alt ist der Sieger?", "nl", "number"),
        ("Um wie viel Uhr begann das Feuer?", "de", "date"),
        ("Hoe laat begon de brand?", "nl", "date"),
        ("¿A qué hora empezó el incendio?", "es", "date"),
    ],
)
def test_the_kind_is_read_in_the_language_of_the_question(question: str, language: str, kind: str) -> None:
    assert expected(question, language) == kind


def test_a_share_in_words_is_no_date() -> None:
    question = "On what date was the lighthouse lit?"
    assert not holds("date", "A pole would have cost a twentieth of the money.", question, "en")
    assert holds("date", "It was lit on the 4th.", question, "en")
    assert holds("date", "It was lit in 2025.", question, "en")
    assert holds("date", "It was lit last Saturday.", question, "en")
