"""What a sentence claims, and which texts state it."""

from __future__ import annotations

import pytest

from rag.answering.citations import link
from rag.answering.claims import Claims, verbatim
from rag.answering.sentence_selection import Candidate
from rag.schema import Article, Passage

TEXT = "Mayor Lucía Prat said: “The levy will pay for eleven new tram stops.”"


@pytest.mark.parametrize(
    ("quote", "there"),
    [
        ("eleven new tram stops", True),
        ("Eleven NEW tram stops!", True),
        ("lucia prat", True),
        ("new eleven tram stops", False),
        ("tram sto", False),  # whole words
        ("", True),
    ],
)
def test_a_quotation_is_looked_up_word_for_word(quote: str, there: bool) -> None:
    assert verbatim(quote, TEXT) is there


def judged(sentence: str, article_text: str, language: str) -> str:
    """Why a sentence is not supported by an article of one sentence in the same language; "" when it is."""
    article = Article(id="a", title="", text=article_text, language=language)
    passage = Passage(article=article, number=0, start=0, end=len(article_text))
    return link(sentence, [Candidate(passage, 0, len(article_text))], language=language)[1]


@pytest.mark.parametrize(
    ("language", "true", "changed"),
    [
        ("en", "The council bought thirty buses.", "The council bought forty buses."),
        ("en", "The council bought twenty-one buses.", "The council bought twenty-two buses."),
        ("fr", "Le conseil a acheté vingt autobus.", "Le conseil a acheté trente autobus."),
        ("fr", "Le conseil siège le 3 mars.", "Le conseil siège le 3 avril."),
        ("fr", "Le conseil siège lundi.", "Le conseil siège vendredi."),
        ("es", "El consejo compró treinta autobuses.", "El consejo compró cuarenta autobuses."),
        ("es", "El consejo se reúne el 3 de marzo.", "El consejo se reúne el 3 de abril."),
        ("es", "El consejo se reúne el lunes.", "El consejo se reúne el viernes."),
        ("de", "Der Rat kaufte dreißig Busse.", "Der Rat kaufte vierzig Busse."),
        ("de", "Der Rat tagt am 3. März.", "Der Rat tagt am 3. Mai."),
        ("de", "Der Rat tagt am Montag.", "Der Rat tagt am Freitag."),
        ("it", "Il consiglio ha comprato trenta autobus.", "Il consiglio ha comprato quaranta autobus."),
        ("it", "Il consiglio si riunisce il 3 marzo.", "Il consiglio si riunisce il 3 aprile."),
        ("it", "Il consiglio si riunisce lunedì.", "Il consiglio si riunisce venerdì."),
        ("pt", "O conselho comprou trinta autocarros.", "O conselho comprou quarenta autocarros."),
        ("pt", "O conselho reúne a 3 de março.", "O conselho reúne a 3 de abril."),
        ("pt", "O conselho reúne na segunda-feira.", "O conselho reúne na sexta-feira."),
        ("nl", "De raad kocht dertig bussen.", "De raad kocht veertig bussen."),
        ("nl", "De raad vergadert op 3 maart.", "De raad vergadert op 3 april."),
        ("nl", "De raad vergadert op maandag.", "De raad vergadert op vrijdag."),
    ],
)
def test_a_changed_number_month_or_weekday_is_not_supported(language: str, true: str, changed: str) -> None:
    assert judged(true, true, language) == ""
    assert "not in the cited words" in judged(changed, true, language)


@pytest.mark.parametrize(
    ("language", "article", "sentence"),
    [
        ("en", "The council bought thirty-two buses.", "The council bought 32 buses."),
        ("fr", "Le conseil a acheté 80 autobus.", "Le conseil a acheté quatre-vingts autobus."),
        ("de", "Der Rat kaufte 45 Busse.", "Der Rat kaufte fünfundvierzig Busse."),
    ],
)
def test_a_number_in_words_is_the_same_in_digits(language: str, article: str, sentence: str) -> None:
    assert judged(sentence, article, language) == ""


def test_numbers_are_compared_across_languages() -> None:
    article = Article(id="a", title="", text="Le conseil de Lunada a acheté trente autobus.", language="fr")
    passage = Passage(article=article, number=0, start=0, end=len(article.text))
    quotes = [Candidate(passage, 0, len(article.text))]
    assert link("The council of Lunada bought thirty buses.", quotes, language="en")[1] == ""
    assert "the number 40" in link("The council of Lunada bought forty buses.", quotes, language="en")[1]


def test_a_language_whose_numbers_cannot_be_read_is_supported_word_for_word_only() -> None:
    text = "Rådet kjøpte tretti busser i går."
    assert judged(text, text, "no") == ""
    assert judged("Rådet kjøpte tretti busser.", text, "no") == ""
    assert "number words in Norwegian cannot be compared" in judged("Rådet kjøpte førti busser.", text, "no")


def test_claims_know_what_the_sources_lack_together() -> None:
    claims = Claims.of("On Monday 3 March Lucía Prat bought thirty “big buses”.", "en")
    sources = [("Lucía Prat bought big buses.", "en"), ("It was Monday, 3 March.", ""), ("Thirty.", "en")]
    assert claims.lacking(sources) == []
    assert claims.lacking(sources[1:]) == [
        "“big buses” is not in the cited words",
        "the name Lucia is not in the cited words",
        "the name Prat is not in the cited words",
    ]
    assert claims.lacking(sources[:2]) == ["the number 30 is not in the cited words"]
