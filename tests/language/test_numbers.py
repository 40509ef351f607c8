"""Numbers in words, in the lexicons' languages: a changed number is another number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language.lexicons import LEXICONS
from rag.language.numbers import numbers, readable


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "thirty buses", "forty buses"), ("en", "thirty-one buses", "thirty-two buses"),
        ("fr", "vingt bus", "trente bus"), ("fr", "quatre-vingt-dix-sept bus", "quatre-vingt-dix-huit bus"),
        ("de", "einunddreißig Busse", "zweiunddreißig Busse"), ("de", "zwanzig Busse", "dreißig Busse"),
        ("es", "treinta y un autobuses", "cuarenta y un autobuses"), ("es", "veintidós", "veintitrés"),
        ("it", "trenta autobus", "quaranta autobus"), ("it", "ventitré autobus", "ventisei autobus"),
        ("pt", "trinta e dois", "trinta e três"), ("nl", "eenendertig bussen", "tweeëndertig bussen"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("known", [True, False])
def test_a_changed_number_word_is_another_number(language: str, one: str, other: str, known: bool) -> None:
    named = language if known else ""
    assert numbers(one, named)
    assert not numbers(one, named) & numbers(other, named)


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("one hundred and five people", "en", {"105"}), ("nineteen eighty-four", "en", {"1984"}),
        ("a million", "en", {"1000000"}), ("half a million", "en", {"500000"}), ("millions of them", "en", set()),
        ("two dozen ships, three", "en", {"24", "3"}), ("in a second, at first", "en", set()),
        ("a third of May, the twentieth", "en", {"3", "20"}),
        ("trente et un", "fr", {"31"}), ("un homme, une femme", "fr", set()), ("deux milliards", "fr", {"2000000000"}),
        ("une vingtaine", "fr", {"20"}), ("3 milliards", "fr", {"3000000000"}),
        ("eine halbe Million", "de", {"500000"}), ("eine Million", "de", {"1000000"}),
        ("2 Mio. Euro", "de", {"2000000"}), ("ein Mann", "de", set()),
        ("3 mil millones", "es", {"3000000000"}), ("once mujeres", "es", {"11"}), ("una mujer", "es", set()),
        ("due milioni", "it", {"2000000"}), ("200 mila", "it", {"200000"}), ("dois milhões", "pt", {"2000000"}),
        ("een half miljoen", "nl", {"500000"}), ("twee miljoen", "nl", {"2000000"}),
        ("once more, due in May, cents and prime", "", set()),  # eleven, two, hundred, first of other languages
        ("1.2 million", "", {"1200000"}), ("41.2 billion crowns", "", {"41200000000"}),
        ("2 billions d'euros", "fr", {"2000000000000"}),
    ],
)  # fmt: skip
def test_number_words_are_read_as_their_language_means_them(text: str, language: str, found: set[str]) -> None:
    assert numbers(text, language) == found


def test_readable_languages_are_those_with_a_lexicon() -> None:
    assert all(readable(language) for language in LEXICONS)
    assert not readable("")
    assert not readable("he")


@given(st.text(max_size=60), st.sampled_from([*LEXICONS, "", "xx"]))
def test_no_text_breaks_the_reading(text: str, language: str) -> None:
    assert all(number for number in numbers(text, language))


@pytest.mark.parametrize("text", ["9" * 400 + " million crowns", "9" * 310 + " thousand", "5 " + "trillion " * 200])
def test_a_number_that_no_float_holds_is_text(text: str) -> None:
    assert numbers(text, "en") == {text.split()[0]}
