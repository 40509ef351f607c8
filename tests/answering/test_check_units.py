"""Sentences that give a number of the article in another unit, currency or scale."""

from __future__ import annotations

import pytest
from test_check import verdict

from rag.answering.check.units import amounts
from rag.language.numbers import numbers


@pytest.mark.parametrize(
    ("language", "text", "true", "false"),
    [
        ("en", "The new road is 12 km long.", "The road is 12 kilometres long.", "The road is 12 miles long."),
        ("en", "The ferry carried 40 tonnes of salt.", "The ferry carried 40 metric tons of salt.",
         "The ferry carried 40 kilograms of salt."),
        ("en", "The levy costs 3.50 euros a day.", "The levy costs €3.50 a day.", "The levy costs $3.50 a day."),
        ("en", "The fund lost $3m in March.", "The fund lost 3 million dollars in March.",
         "The fund lost 3 million pounds in March."),
        ("es", "La carretera mide 12 kilómetros.", "La carretera mide 12 km.", "La carretera mide 12 millas."),
        ("fr", "La route fait douze kilomètres.", "La route fait douze km.", "La route fait douze miles."),
        ("de", "Die Strecke ist 12 Kilometer lang.", "Die Strecke ist 12 km lang.", "Die Strecke ist 12 Meilen lang."),
        ("it", "La strada misura 12 chilometri.", "La strada misura 12 km.", "La strada misura 12 miglia."),
        ("pt", "A estrada tem 12 quilômetros.", "A estrada tem 12 km.", "A estrada tem 12 milhas."),
        ("nl", "De weg is 12 kilometer lang.", "De weg is 12 km lang.", "De weg is 12 mijl lang."),
    ],
)  # fmt: skip
def test_another_unit_is_not_supported_and_another_name_of_it_is(
    language: str, text: str, true: str, false: str
) -> None:
    assert verdict(true, text, language).verdict == "supported"
    assert verdict(false, text, language).verdict != "supported"
    assert verdict(false, text, language).verdict == "contradicted"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("The trip took 12 hours over 12 miles of road.", "The trip took 12 hours."),
        ("The boats met eleven nautical miles south of Harrow Bay.", "The boats met eleven miles south of Harrow Bay."),
        ("It pays 5 pounds a week to 5 people.", "It pays 5 pounds to 5 people."),
        ("The hotel took 14 nights.", "The hotel took 14 days."),
    ],
)
def test_what_may_be_the_same_unit_is_none_other(text: str, sentence: str) -> None:
    assert verdict(sentence, text).verdict != "contradicted"


def test_a_scale_belongs_to_its_number_also_where_it_is_one_word_with_it() -> None:
    assert numbers("$3m, £300k and 40bn", "en") == {"3000000", "300000", "40000000000"}
    assert numbers("a wall of 3m", "en") == {"3"}
    assert verdict("The fund lost $3bn in March.", "The fund lost $3m in March.").verdict != "supported"


def test_an_amount_is_a_number_with_its_unit() -> None:
    assert amounts("3 guards met two million people", "en") == frozenset()
    assert amounts("12 km", "xx") == frozenset()
    assert amounts("2 Wochen", "de") == {("2", frozenset({"duration-week"}))}
